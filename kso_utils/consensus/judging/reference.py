"""What is held to be in a subject when somebody's look at it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.judging.findings import Findings
    from kso_utils.consensus.votes import Votes

Source = Literal["experts", "others"]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What was there to be named, look by look.

    Attributes
    ----------
    source
        Who says so: `experts`, or the `others` who looked at the same subject.
    labels
        (l,) str objects: the labels of the votes, then those that only the reference has.
    judged
        (n,) bool: the looks for which it is known what is there.
    look, label
        (k,) int64: of each label that is there the look and the place in `labels`, by look, then label; of looks that
        are judged only.
    named_rightly
        (m,) bool: which choices of the votes are among them.
    """

    source: Source
    labels: NDArray[Any]
    judged: NDArray[np.bool_]
    look: NDArray[np.int64]
    label: NDArray[np.int64]
    named_rightly: NDArray[np.bool_]


def ask_others(votes: Votes, least: int) -> Reference:
    """Return what more than half of the others named who looked at the same subject.

    The own vote does not count, so that nobody is measured by a consensus that holds it.

    Parameters
    ----------
    votes
        The votes.
    least
        How many others must have looked for a look to be judged. A look is not judged either where exactly half of the
        others named a label.
    """
    width = max(len(votes.labels), 1)
    pairs, yes = np.unique(votes.choice_subject * width + votes.choice_label, return_counts=True)
    others = votes.looked[votes.look_subject] - 1
    # Of labels that fewer named there is nothing to know: neither with nor without one vote are they half.
    doubtful = 2 * yes >= votes.looked[pairs // width] - 1
    look, label, place = _spread(votes, pairs[doubtful] // width, pairs[doubtful] % width)
    own = holds(votes.choice_look * width + votes.choice_label, look * width + label)
    excess = 2 * (yes[doubtful][place] - own) - others[look]
    judged = others >= least
    judged[look[excess == 0]] = False
    there = (excess > 0) & judged[look]
    return _make("others", votes, votes.labels, judged, look[there], label[there])


def ask_experts(votes: Votes, findings: Findings) -> Reference:
    """Return what experts found in the subjects that they saw."""
    known = np.isin(votes.subject_ids, findings.seen)
    here = np.isin(findings.subject, votes.subject_ids)
    subject = np.searchsorted(votes.subject_ids, findings.subject[here])
    place = {name: code for code, name in enumerate(votes.labels.tolist())}
    for name in sorted(set(findings.label[here].tolist())):
        place.setdefault(name, len(place))
    code = np.array([place[name] for name in findings.label[here].tolist()], dtype=np.int64)
    order = np.lexsort((code, subject))
    look, label, _ = _spread(votes, subject[order], code[order])
    return _make("experts", votes, np.array(list(place), dtype=object), known[votes.look_subject], look, label)


def count_up(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, 2 ... as far as each length, one after the other."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def holds(ordered: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which numbers are among those of another list, which ascends."""
    if not len(ordered):
        return np.zeros(len(wanted), dtype=bool)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)] == wanted)


def _make(
    source: Source,
    votes: Votes,
    labels: NDArray[Any],
    judged: NDArray[np.bool_],
    look: NDArray[np.int64],
    label: NDArray[np.int64],
) -> Reference:
    width = max(len(labels), 1)
    rightly = holds(look * width + label, votes.choice_look * width + votes.choice_label)
    return Reference(source, labels, judged, look, label, rightly)


def _spread(
    votes: Votes, subject: NDArray[np.int64], label: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels of subjects, sorted by subject, for each look at them: look, label, and place of the pair."""
    each = np.bincount(subject, minlength=len(votes.subject_ids))
    starts = np.cumsum(each) - each
    many = each[votes.look_subject]
    look = np.repeat(np.arange(len(many)), many)
    place = count_up(many) + starts[votes.look_subject[look]]
    return look, label[place], place
