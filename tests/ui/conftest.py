import cv2
import numpy as np
import pandas as pd
import pytest

from kso_utils.core.report import Finding, Report
from kso_utils.ui.report import Figure, Picture, ReportContent

SPECIES = ("Sea star", "Goldsinny wrasse", "Atlantic cod")
SITES = [
    ("Kosterfjord north", 58.8831, 11.0842, 2),
    ("Yttre Vattenholmen", 58.8762, 11.1067, 2),
    ("Saekken reef", 59.0112, 11.1138, 2),
    ("Burholmen", 58.9013, 11.1301, 2),
    ("Lysekil wall", 58.2735, 11.4210, 2),
    ("Gullmarn sill", 58.2951, 11.4662, 2),
]


def frame(seed, width=640, height=360):
    """Return the JPEG bytes of a made-up frame with three animals, and their boxes."""
    rng = np.random.default_rng(seed)
    depth = np.linspace(1, 0.45, height)[:, None, None]
    image = (np.array([118, 96, 30]) * depth + np.zeros((height, width, 3))).astype(np.uint8)
    places = []
    for name, colour in zip(SPECIES, ((60, 90, 200), (60, 180, 190), (150, 160, 150)), strict=True):
        x, y = int(rng.integers(60, width - 120)), int(rng.integers(60, height - 60))
        cv2.ellipse(image, (x, y), (38, 18), float(rng.integers(-20, 20)), 0, 360, colour, -1, cv2.LINE_AA)
        places.append((x - 40, y - 22, 80, 44, name))
    image = cv2.GaussianBlur(image, (7, 7), 2)
    image = np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes(), places


def picture(seed):
    jpeg, places = frame(seed)
    rows = []
    for x, y, w, h, name in places:
        rows.append((x, y, w, h, name, np.nan, "truth"))
        rows.append((x + 4, y - 3, w - 3, h + 4, name, 0.71 + 0.04 * (seed % 5), "model"))
    columns = ["x", "y", "width", "height", "label", "confidence", "kind"]
    return Picture(
        f"site_{seed % 6 + 1}_b.mp4, frame {seed * 25}, {seed}.0 s", jpeg, pd.DataFrame(rows, columns=columns)
    )


def agreement(seed=0):
    rng = np.random.default_rng(seed)
    votes = rng.choice([1, 1, 4, 4, 5, 5, 5, 5], 90)
    rows = pd.DataFrame({"subject_id": np.arange(90) // 2, "label": rng.choice(SPECIES, 90), "votes": votes})
    return rows.assign(people=5, support=votes / 5, agreed=votes >= 3)


def curves(epochs=40):
    epoch = np.arange(1, epochs + 1)
    rng = np.random.default_rng(1)
    lines = {
        "mAP50": 0.95 * (1 - np.exp(-epoch / 9)),
        "mAP50-95": 0.72 * (1 - np.exp(-epoch / 13)),
        "precision": 0.93 * (1 - np.exp(-epoch / 6)),
        "recall": 0.9 * (1 - np.exp(-epoch / 10)),
        "train/box_loss": 0.8 + 2.2 * np.exp(-epoch / 10),
        "val/box_loss": 0.95 + 2.0 * np.exp(-epoch / 9),
        "train/cls_loss": 0.5 + 3.5 * np.exp(-epoch / 7),
    }
    noise = {name: values + rng.normal(0, 0.015, epochs) for name, values in lines.items()}
    return pd.concat([pd.DataFrame({"epoch": epoch, "name": n, "value": v}) for n, v in noise.items()])


def counts():
    rng = np.random.default_rng(3)
    rows = [(f"site_{i}_{part}.mp4", name) for i in range(1, 7) for part in "ab" for name in SPECIES]
    table = pd.DataFrame(rows, columns=["filename", "label"])
    table["truth"] = rng.integers(0, 7, len(table))
    table["max_n"] = np.maximum(table["truth"] + rng.choice([0, 0, 0, 0, -1, 1], len(table)), 0)
    return table


def full_content(**changed):
    checks = Report("Tables of the Kosterhavet project")
    checks.add(
        Finding(
            "sites",
            4,
            "coordinateUncertaintyInMeters",
            "MISSING_VALUE",
            "warning",
            "",
            "No uncertainty is given.",
            "Give the radius in metres, 30 for a hand-held GPS.",
        )
    )
    values = {
        "title": "From footage to counts",
        "project": "Kosterhavet",
        "created_at": "2026-11-21T10:00:00Z",
        "version": "0.1.0",
        "sources": "generated",
        "note": "The movies are drawn by the computer with known animals, and the volunteers are simulated: five look "
        "at each clip, miss some species and draw edges a little off.",
        "sites": pd.DataFrame(SITES, columns=["locality", "decimalLatitude", "decimalLongitude", "movies"]),
        "checks": checks,
        "figures": [
            Figure(
                "Agreed labels of clips, F1",
                0.974,
                "at least 0.95",
                "",
                True,
                "How well agreed labels match what was there.",
            ),
            Figure(
                "Overlap of agreed boxes, mean IoU",
                0.871,
                "at least 0.85",
                "",
                True,
                "1 would be boxes drawn to the pixel.",
            ),
            Figure(
                "Model at sites it never saw, mAP50",
                0.911,
                "at least 0.85",
                "",
                True,
                "How well it finds and names animals.",
            ),
            Figure(
                "MaxN, mean absolute error",
                0.61,
                "at most 0.5",
                "animals",
                False,
                "How far the count is off, per movie.",
            ),
            Figure("Time of the whole run", 402.0, "", "s", None, ""),
        ],
        "clips": 48,
        "thumbnails": [(f"site_{i}_a.mp4, {3 * i} to {3 * i + 3} s", frame(i, 320, 180)[0]) for i in range(6)],
        "agreement": agreement(),
        "curves": curves(),
        "pictures": [picture(seed) for seed in range(6)],
        "counts": counts(),
        "moving": pd.DataFrame({"filename": ["mouse.mp4", "aquarium.mp4"], "regions": [140, 320], "found": [122, 201]}),
        "runs": pd.DataFrame(
            {
                "kind": ["clip", "frame", "train"],
                "version": "0.1.0",
                "params": [{"agreement": 0.6}, {"iou": 0.3}, {"epochs": 40, "seed": 0}],
            }
        ),
    }
    return ReportContent(**{**values, **changed})


@pytest.fixture
def content():
    return full_content
