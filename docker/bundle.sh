#!/bin/sh
# bundle.sh FOLDER [REQUIREMENT...]: what an installation without a network needs: wheels as the lock pins them, their
# digests, and install.sh. Without REQUIREMENT: scanside with all that serving on a processor may need.
# PYTHON: the interpreter it is for (python3); TORCH_ARGS="--index-url ..." names the index of torch's CPU builds.
set -eu
[ $# -ge 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd) folder=$1 python=${PYTHON:-python3}
shift
mkdir -p "$folder"
rm -rf "$folder/wheels"
wheel() { "$python" -m pip wheel --quiet --wheel-dir "$folder/wheels" --find-links "$folder/wheels" -c "$here/constraints.txt" "$@"; }
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2086
  wheel ${TORCH_ARGS:-} "$(grep '^torch==' "$here/constraints.txt")"
  set -- "$here[cardiac,convert,dicom,onnx,page,traces]"
fi
wheel "$@"
"$python" - "$folder" <<'PYTHON'
import hashlib, pathlib, sys

folder = pathlib.Path(sys.argv[1])
lines = []
for each in sorted((folder / "wheels").glob("*.whl")):
    name, version = each.name.split("-")[:2]
    lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(each.read_bytes()).hexdigest()}\n")
(folder / "requirements.txt").write_text("".join(lines))
(folder / "install.sh").write_text(f"""#!/bin/sh
# install.sh VENV: a new environment of these wheels alone; a wheel whose digest differs ends it.
set -eu
here=$(cd "$(dirname "$0")" && pwd) python=${{PYTHON:-python3}}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})' || {{
  echo "these wheels are for Python {sys.version_info[0]}.{sys.version_info[1]}: set PYTHON" >&2
  exit 2
}}
"$python" -m venv "$1"
PIP_CONFIG_FILE=/dev/null "$1/bin/python" -m pip install --isolated --disable-pip-version-check --no-index --no-deps \\
  --require-hashes --find-links "$here/wheels" -r "$here/requirements.txt"
""")
(folder / "install.sh").chmod(0o755)
PYTHON
