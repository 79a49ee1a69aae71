"""A Panoptes-compatible server on this computer: Zooniverse without Zooniverse.

The official client talks to it over HTTP, unmodified; a person looks at the uploaded subjects in a browser and
classifies them, or simulated volunteers do. Everything is kept in one SQLite file.
"""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.accounts import read_users as read_users
    from kso_utils.zooniverse.sandbox.faults import Fault as Fault
    from kso_utils.zooniverse.sandbox.people import Person as Person
    from kso_utils.zooniverse.sandbox.perception import Rates as Rates
    from kso_utils.zooniverse.sandbox.server import DAY_S as DAY_S
    from kso_utils.zooniverse.sandbox.server import Sandbox as Sandbox
    from kso_utils.zooniverse.sandbox.server import run as run
    from kso_utils.zooniverse.sandbox.server import serve as serve
    from kso_utils.zooniverse.sandbox.simulation import attend as attend
    from kso_utils.zooniverse.sandbox.simulation import simulate as simulate
    from kso_utils.zooniverse.sandbox.tasks import drawing_task as drawing_task
    from kso_utils.zooniverse.sandbox.tasks import survey_task as survey_task

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DAY_S": "server",
        "Fault": "faults",
        "Person": "people",
        "Rates": "perception",
        "Sandbox": "server",
        "drawing_task": "tasks",
        "read_users": "accounts",
        "run": "server",
        "serve": "server",
        "attend": "simulation",
        "simulate": "simulation",
        "survey_task": "tasks",
    },
)
