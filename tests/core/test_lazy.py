from __future__ import annotations

import subprocess
import sys

import pytest

import kso_utils
from kso_utils.core.lazy import lazy

find, listed = lazy("email", {"MIMEText": "mime.text", "message_from_string": "_policybase"}, modules=("mime",))


def test_a_name_comes_from_its_module():
    from email.mime.text import MIMEText

    assert find("MIMEText") is MIMEText


def test_a_public_module_comes_as_such():
    import email.mime

    assert find("mime") is email.mime


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'email' has no attribute 'fish'"):
        find("fish")


def test_all_names_are_listed():
    assert listed() == ["MIMEText", "message_from_string", "mime"]


def test_importing_the_package_loads_nothing_heavy():
    heavy = "pandas numpy sqlalchemy alembic torch cv2 ultralytics ipywidgets panoptes_client boto3 umap av requests"
    code = f"import sys, kso_utils; sys.exit(' '.join(set({heavy!r}.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_the_package_lists_few_names():
    assert len(kso_utils.__all__) <= 25
    assert set(kso_utils.__all__) - {"__version__"} <= set(dir(kso_utils))


def test_subpackages_are_modules():
    assert kso_utils.annotations.__name__ == "kso_utils.annotations"
