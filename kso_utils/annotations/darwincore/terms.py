"""The terms that columns of a Darwin Core archive may have, and the kinds of rows that they describe.

Names only, no definitions. Simple Darwin Core: the list that the Darwin Core maintenance group distributes
(tdwg/dwc, dist/simple_dwc_horizontal.csv, as of 2026). Audiovisual Core: the term list of tdwg/ac with its regions of
interest (2021-10) and the terms borrowed for GBIF's extension of 2026-02-24. Extended measurements: OBIS' extension of
2023-08-28. Humboldt: GBIF's extension of 2025-07-10.
"""

from __future__ import annotations

from kso_utils.core.errors import ConfigError

NAMESPACES = {
    "dwc": "http://rs.tdwg.org/dwc/terms/",
    "dcterms": "http://purl.org/dc/terms/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "ac": "http://rs.tdwg.org/ac/terms/",
    "obis": "http://rs.iobis.org/obis/terms/",
    "eco": "http://rs.tdwg.org/eco/terms/",
    "gbif": "http://rs.gbif.org/terms/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
"""Prefix -> namespace."""

EVENT = NAMESPACES["dwc"] + "Event"
OCCURRENCE = NAMESPACES["dwc"] + "Occurrence"
TAXON = NAMESPACES["dwc"] + "Taxon"
MEASUREMENT = NAMESPACES["dwc"] + "MeasurementOrFact"
EXTENDED_MEASUREMENT = NAMESPACES["obis"] + "ExtendedMeasurementOrFact"
MULTIMEDIA = NAMESPACES["ac"] + "Multimedia"
SIMPLE_MULTIMEDIA = NAMESPACES["gbif"] + "Multimedia"
HUMBOLDT = NAMESPACES["eco"] + "Event"

_RECORD = "type modified language license rightsHolder accessRights bibliographicCitation references"

_DWC = """
feedbackURL institutionID collectionID datasetID institutionCode collectionCode ownerInstitutionCode datasetName
basisOfRecord informationWithheld dataGeneralizations dynamicProperties eventID parentEventID eventCategory eventType
fieldNumber eventDate eventTime startDayOfYear endDayOfYear year month day verbatimEventDate habitat
sampledSubstrateCategory sampledSubstrateLayer samplingProtocol sampleSizeValue sampleSizeUnit samplingEffort
fieldNotes eventRemarks locationID siteNumber higherGeographyID higherGeography continent waterBody islandGroup island
country countryCode stateProvince county municipality locality verbatimLocality minimumElevationInMeters
maximumElevationInMeters verbatimElevation verticalDatum minimumDepthInMeters maximumDepthInMeters verbatimDepth
minimumDistanceAboveSurfaceInMeters maximumDistanceAboveSurfaceInMeters locationAccordingTo locationRemarks
preferredSpatialRepresentation decimalLatitude decimalLongitude geodeticDatum coordinateUncertaintyInMeters
coordinatePrecision pointRadiusSpatialFit verbatimCoordinates verbatimLatitude verbatimLongitude
verbatimCoordinateSystem verbatimSRS footprintWKT footprintSRS footprintSpatialFit georeferencedBy georeferencedDate
georeferenceProtocol georeferenceSources georeferenceRemarks geologicalContextID earliestEonOrLowestEonothem
latestEonOrHighestEonothem earliestEraOrLowestErathem latestEraOrHighestErathem earliestPeriodOrLowestSystem
latestPeriodOrHighestSystem earliestEpochOrLowestSeries latestEpochOrHighestSeries earliestAgeOrLowestStage
latestAgeOrHighestStage lowestBiostratigraphicZone highestBiostratigraphicZone lithostratigraphicTerms group formation
member bed identificationID identificationType verbatimIdentification isAcceptedIdentification taxonFormula
identificationQualifier typeStatus identifiedBy identifiedByID dateIdentified identificationReferences
identificationVerificationStatus identificationRemarks materialEntityID digitalSpecimenID materialEntityCategory
materialEntityType discipline typeOfType typifiedName catalogNumber otherCatalogNumbers recordNumber objectQuantity
objectQuantityType preparations disposition verbatimLabel associatedSequences materialEntityRemarks materialSampleID
occurrenceID recordedBy recordedByID individualCount organismQuantity organismQuantityType sex lifeStage
reproductiveCondition caste behavior vitality establishmentMeans degreeOfEstablishment pathway
georeferenceVerificationStatus occurrenceStatus associatedMedia associatedOccurrences associatedReferences
associatedTaxa occurrenceRemarks organismID organismScope organismName causeOfDeath associatedOrganisms
previousIdentifications organismRemarks taxonID scientificNameID acceptedNameUsageID parentNameUsageID
originalNameUsageID nameAccordingToID namePublishedInID taxonConceptID scientificName acceptedNameUsage
parentNameUsage originalNameUsage nameAccordingTo namePublishedIn namePublishedInYear higherClassification kingdom
phylum class order superfamily family subfamily tribe subtribe genus genericName subgenus infragenericEpithet
specificEpithet infraspecificEpithet cultivarEpithet taxonRank verbatimTaxonRank scientificNameAuthorship
vernacularName nomenclaturalCode taxonomicStatus nomenclaturalStatus taxonRemarks
"""

_MEASUREMENT = """
measurementID parentMeasurementID measurementType verbatimMeasurementType measurementValue measurementAccuracy
measurementUnit measurementDeterminedBy measurementDeterminedDate measurementMethod measurementRemarks
"""

_OTHER_DWC = """
projectTitle projectID fundingAttributionID resourceID relationshipOfResourceID resourceRelationshipID relatedResourceID
relationshipOfResource relationshipAccordingTo relationshipEstablishedDate relationshipRemarks
"""

_OBIS = "measurementTypeID measurementValueID measurementUnitID"

_DCTERMS = """
identifier title description created creator contributor publisher audience source format available rights temporal
subject spatial issued valid
"""

_DC = "type language rights source creator format identifier title description subject publisher contributor date"

_AC = """
accessURI associatedObservationReference associatedSpecimenReference attributionLinkURL attributionLogoURL caption
captureDevice commenter commenterLiteral comments derivedFrom digitizationDate endTime endTimestamp frameRate freqHigh
freqLow fundingAttribution furtherInformationURL hashFunction hashValue hasROI hasServiceAccessPoint heightFrac
IDofContainingCollection isROIOf licenseLogoURL licensingException mediaDuration mediaSpeed metadataCreator
metadataCreatorLiteral metadataLanguage metadataLanguageLiteral metadataProvider metadataProviderLiteral
otherScientificName physicalSetting provider providerID providerLiteral providerManagedID radius relatedResourceID
resourceCreationTechnique reviewer reviewerComments reviewerLiteral serviceExpectation startTime startTimestamp
subjectCategoryVocabulary subjectOrientation subjectOrientationLiteral subjectPart subjectPartLiteral subtype
subtypeLiteral tag taxonCount taxonCoverage timeOfDay variant variantDescription variantLiteral widthFrac xFrac yFrac
"""

_BORROWED = {
    "xmp": "MetadataDate Rating CreateDate",
    "xmpRights": "Owner UsageTerms WebStatement",
    "photoshop": "Credit",
    "exif": "PixelXDimension PixelYDimension",
    "Iptc4xmpExt": (
        "CVterm LocationShown WorldRegion CountryCode CountryName ProvinceState City Sublocation LocationCreated"
    ),
}

_ECO = """
siteCount siteNestingDescription verbatimSiteDescriptions verbatimSiteNames geospatialScopeAreaInSquareKilometers
totalAreaSampledInSquareKilometers reportedWeather reportedExtremeConditions targetHabitatScope excludedHabitatScope
eventDuration eventDurationUnit targetTaxonomicScope excludedTaxonomicScope taxonCompletenessReported
taxonCompletenessProtocols isTaxonomicScopeFullyReported isAbsenceReported absentTaxa hasNonTargetTaxa nonTargetTaxa
areNonTargetTaxaFullyReported targetLifeStageScope excludedLifeStageScope isLifeStageScopeFullyReported
targetDegreeOfEstablishmentScope excludedDegreeOfEstablishmentScope isDegreeOfEstablishmentScopeFullyReported
targetGrowthFormScope excludedGrowthFormScope isGrowthFormScopeFullyReported hasNonTargetOrganisms identifiedBy
identificationReferences compilationType compilationSourceTypes inventoryTypes protocolNames protocolDescription
protocolReferences isAbundanceReported isAbundanceCapReported abundanceCap isVegetationCoverReported
isLeastSpecificTargetCategoryQuantityInclusive hasVouchers voucherInstitutions hasMaterialSamples materialSampleTypes
samplingPerformedBy isSamplingEffortReported samplingEffortProtocol samplingEffortValue samplingEffortUnit
"""


def _expand(prefix: str, names: str) -> list[str]:
    return [NAMESPACES[prefix] + name for name in names.split()]


SIMPLE_DARWIN_CORE = frozenset([*_expand("dcterms", _RECORD), *_expand("dwc", _DWC)])
"""The terms of Simple Darwin Core, in full."""

TERMS = SIMPLE_DARWIN_CORE.union(
    _expand("dwc", _MEASUREMENT),
    _expand("dwc", _OTHER_DWC),
    _expand("obis", _OBIS),
    _expand("dcterms", _DCTERMS),
    _expand("dc", _DC),
    _expand("ac", _AC),
    _expand("eco", _ECO),
    *(_expand(prefix, names) for prefix, names in _BORROWED.items()),
)
"""Every known term, in full."""

ROW_TYPES = {
    EVENT: "event",
    OCCURRENCE: "occurrence",
    TAXON: "taxon",
    MEASUREMENT: "measurement",
    EXTENDED_MEASUREMENT: "measurement",
    MULTIMEDIA: "media",
    SIMPLE_MULTIMEDIA: "media",
    HUMBOLDT: "survey",
}
"""Type of row, in full -> what a row is, in a word."""


def expand_term(name: str) -> str:
    """Return a term in full.

    Parameters
    ----------
    name
        With a prefix (`ac:accessURI`), or without one: a term of Simple Darwin Core (`license` is dcterms:license) or
        of the extended measurements (`measurementTypeID`).

    Raises
    ------
    ConfigError
        If there is no such term.
    """
    prefix, colon, local = name.rpartition(":")
    for place in [prefix] if colon else ["dwc", "dcterms", "obis"]:
        term = NAMESPACES.get(place, "") + local
        if term in TERMS:
            return term
    raise ConfigError(f"There is no term {name!r}. Give one of Darwin Core, or one with its prefix, as ac:accessURI.")


def shorten_term(term: str) -> str:
    """Return the name of a term without its namespace: `eventDate`; other text as it is."""
    return term.rsplit("/", 1)[-1].rsplit("#", 1)[-1] or term
