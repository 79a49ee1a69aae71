"""Plain HTTP to a sandbox, for what the official client never says."""

from __future__ import annotations

import requests

from kso_utils.zooniverse.sandbox.messages import API_TYPE


class Caller:
    """Speaks HTTP to a sandbox with a valid token."""

    def __init__(self, sandbox, login="demo"):
        token = sandbox.state.issue_token("access", sandbox.state.user_id(login), 60)
        self.sandbox = sandbox
        self.headers = {"Accept": API_TYPE, "Authorization": f"Bearer {token}"}

    def __call__(self, verb, path, json=None, **headers):
        sent = {**self.headers, "Content-Type": "application/json", **headers}
        kept = {k.replace("_", "-"): v for k, v in sent.items() if v}
        return requests.request(verb, f"{self.sandbox.url}/api{path}", json=json, headers=kept, timeout=5)

    def new_set(self, name="a"):
        """Make a subject set and return its id."""
        message = {"subject_sets": {"display_name": name, "links": {"project": "1001"}}}
        return self("POST", "/subject_sets", message).json()["subject_sets"][0]["id"]

    def new_subject(self, **changes):
        """Ask for a subject and return the answer."""
        message = {"locations": ["image/jpeg"], "metadata": {}, "links": {"project": "1001"}, **changes}
        return self("POST", "/subjects", {"subjects": message})


def put(url, data, mime="image/jpeg", **headers):
    """Send a medium to its signed link."""
    sent = {"Content-Type": mime, "x-ms-blob-type": "BlockBlob", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return requests.put(url, data=data, headers={k: v for k, v in sent.items() if v}, timeout=5)


def link_of(answer):
    """Return the link of the one medium of a subject that was just made."""
    return next(iter(answer.json()["subjects"][0]["locations"][0].values()))


def message_of(answer):
    """Return the sentence with which a request was refused."""
    return answer.json()["errors"][0]["message"]
