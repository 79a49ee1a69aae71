from __future__ import annotations

import logging

from kso_utils.core.log import logger


def test_a_logger_is_silent_and_leaves_the_root_alone():
    before = list(logging.getLogger().handlers)
    logger("kso_utils.some.module")
    assert logging.getLogger().handlers == before
    (handler,) = logging.getLogger("kso_utils").handlers
    assert isinstance(handler, logging.NullHandler)


def test_many_loggers_add_one_handler():
    for _ in range(3):
        logger("kso_utils.other")
    assert len(logging.getLogger("kso_utils").handlers) == 1
