"""Set before torch is imported: waiting threads must not spin, the suite shares its cores with servers."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
