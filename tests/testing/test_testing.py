import subprocess
import sys
from pathlib import Path

import kso_utils.testing as room


def test_every_public_name_is_there():
    assert all(callable(getattr(room, name)) for name in room.__all__)


def test_importing_the_room_loads_no_pictures_software():
    code = "import sys, kso_utils.testing; assert not {'cv2', 'av', 'pandas'} & set(sys.modules)"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={"PYTHONPATH": str(root)})
