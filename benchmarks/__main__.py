"""`python -m benchmarks [subject ...]` runs the named benchmarks, or all; figures go to build/figures.json."""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

import benchmarks
from kso_utils.core.paths import write_atomic

FIGURES = Path("build") / "figures.json"


def run(names: list[str]) -> int:
    subjects = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    unknown = sorted(set(names) - set(subjects))
    if unknown:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(subjects)}.\n")
        return 2
    for name in names or subjects:
        sys.stdout.write(f"== {name}\n")
        figures = importlib.import_module(f"benchmarks.{name}").main()
        known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        with write_atomic(FIGURES) as temporary:
            temporary.write_text(json.dumps({**known, name: figures}, indent=2, sort_keys=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
