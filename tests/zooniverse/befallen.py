"""A set of uploaded clips, and what may befall it on Zooniverse."""

from pathlib import Path

from kso_utils.zooniverse import listings
from kso_utils.zooniverse.audits import audit
from kso_utils.zooniverse.repairs import repair
from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.tasks import survey_task
from kso_utils.zooniverse.uploads import upload


class Reef:
    """A set of uploaded clips, and what may befall it on Zooniverse."""

    def __init__(self, server, session, project, store, planned):
        self.server, self.session, self.project, self.store, self.planned = server, session, project, store, planned
        states = upload(session, store, planned, "Clips", project_id=project)
        self.ids = [int(number) for number in states.subject_id]
        self.keys = list(states.key)
        self.set_id = session.find_subject_set(project, "Clips")

    def look(self, media=False):
        return audit(self.session, self.store, "Clips", self.project, media)

    def mend(self, media=False, dry_run=False):
        return repair(self.session, self.store, self.look(media), dry_run)

    def upload(self):
        return upload(self.session, self.store, self.planned, "Clips", project_id=self.project)

    def members(self):
        return {int(s["id"]) for s in self.session.list_subjects(self.set_id)}

    def subject(self, number):
        (found,) = listings.find_subjects(self.session, [number])
        return found

    def unlink(self, place):
        self.session.unlink_subjects(self.set_id, [self.ids[place]])

    def delete(self, place):
        self.session.remove_subject(self.ids[place])

    def double(self, place, linked=True):
        """Make a whole copy of a subject, as after a lost answer, and return its id."""
        data = Path(self.planned.path[place]).read_bytes()
        metadata = self.subject(self.ids[place])["metadata"]
        number, link = self.session.create_subject(self.project, "video/mp4", metadata)
        self.session.put_media(link, data, "video/mp4")
        if linked:
            self.session.link_subjects(self.set_id, [number])
        return number

    def stranger(self, metadata=None):
        number, link = self.session.create_subject(self.project, "video/mp4", metadata or {"Site": "Elsewhere"})
        self.session.put_media(link, b"a movie", "video/mp4")
        self.session.link_subjects(self.set_id, [number])
        return number

    def relabel(self, place, value="Ref"):
        self.session.change_metadata(self.ids[place], lambda now: now | {"Site": value})

    def overwrite_medium(self, number, data):
        (url,) = self.subject(number)["locations"][0].values()
        self.server.state.run("UPDATE blobs SET data = ? WHERE key = ?", (data, url.rpartition("/")[2]))

    def workflow(self):
        """Show the set in a workflow of its own and return its id."""
        body = {"display_name": "clips", **survey_task(["Cod"])._asdict(), "links": {"project": self.project}}
        number = int(self.session.push("/workflows", {"workflows": body})["workflows"][0]["id"])
        self.session.link_set(number, self.set_id)
        return number

    def classify(self, *numbers):
        workflow = self.workflow()
        rows = [
            {"workflow_id": workflow, "subject_id": n, "user_id": None, "annotations": [], "metadata": {}}
            for n in numbers
        ]
        add_classifications(self.server.state, rows)


def codes(audited, but=("DUPLICATES_SOUGHT",)):
    return {code: n for code, n in audited.report.codes().items() if code not in but}


DEFECTS = ["unlink", "delete", "double", "double_outside", "relabel", "empty", "overwrite", "classify", "stranger"]


def plant(reef, dice, number):
    """Plant defects at random, several on one subject too."""
    for _ in range(number):
        place, defect = int(dice.integers(len(reef.ids))), DEFECTS[dice.integers(len(DEFECTS))]
        if not listings.find_subjects(reef.session, [reef.ids[place]]):
            continue
        match defect:
            case "unlink":
                reef.unlink(place)
            case "delete":
                reef.delete(place)
            case "double":
                reef.double(place)
            case "double_outside":
                reef.double(place, linked=False)
            case "relabel":
                reef.relabel(place, str(dice.integers(100)))
            case "empty":
                reef.overwrite_medium(reef.ids[place], None)
            case "overwrite":
                reef.overwrite_medium(reef.ids[place], b"else")
            case "classify":
                reef.classify(reef.ids[place])
            case "stranger":
                reef.stranger()
