"""Make the modules of this folder importable: pytest's importlib mode leaves them out."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
