"""What must hold on the server and in the store after an upload."""

import itertools
from collections import Counter
from pathlib import Path

import requests

from kso_utils.zooniverse.subjects import KEY


def all_subjects(session, project):
    """Every subject of a project, linked or not."""
    subjects = []
    for page in itertools.count(1):
        query = {"project_id": project, "page_size": 100, "page": page}
        answer = session.fetch("/subjects", query)
        subjects += answer["subjects"]
        if page >= answer["meta"]["subjects"]["page_count"]:
            return subjects


def assert_each_is_there_once(session, project, store, planned, states):
    """What must hold after any upload that ended well, whatever happened before."""
    there = all_subjects(session, project)
    set_id = str(session.find_subject_set(project, "Clips"))
    on_server, wanted = Counter(s["metadata"][KEY] for s in there), Counter(states.key)
    assert on_server == wanted, f"lost: {wanted - on_server}, doubled: {on_server - wanted}"
    assert all(s["links"]["subject_sets"] == [set_id] for s in there)
    contents = {s["metadata"][KEY]: requests.get(s["locations"][0]["video/mp4"], timeout=10).content for s in there}
    assert contents == {key: Path(path).read_bytes() for key, path in zip(states.key, planned.path, strict=True)}
    assert set(states.state) == {"verified"}
    assert set(store.read("upload_journal").state) == {"verified"}
    assert sorted(store.read("subjects").id) == sorted(int(s["id"]) for s in there) == sorted(states.subject_id)
