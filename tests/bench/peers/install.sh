#!/usr/bin/env bash
# Installs the programs that the product is compared with, under .local/bench. Installs them again only if a
# manifest changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../../.local/bench
mkdir -p "$target"

manifests=("$here/package.json" "$here/package-lock.json" "$here/requirements.txt")
if [ -f "$target/.installed" ] && cat "${manifests[@]}" | cmp -s - "$target/.installed"; then
  exit 0
fi
cp "$here/package.json" "$here/package-lock.json" "$target/"
# The lock client asks for version 2 of the SDK, whose support has ended; it works with version 3 as it is.
npm ci --prefix "$target" --legacy-peer-deps --ignore-scripts --no-audit --no-fund
python3 -m venv --clear "$target/python"
"$target/python/bin/python3" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
cat "${manifests[@]}" > "$target/.installed"
