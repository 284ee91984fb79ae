"""What is in a released binary: the crates, and the C libraries in them, which no tool knows that reads only Cargo.lock."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is released: static binaries for Linux, and one for macOS.
TARGETS = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "aarch64-apple-darwin"]
# For each crate: the library, its licence as SPDX, its name in advisories (vendor and product of a CPE) where they know it, and
# the files with its licence.
LIBRARIES = {
    "curl-sys": ("libcurl", "curl AND ISC AND BSD-4-Clause-UC", "haxx:libcurl", ["curl/COPYING", "curl/LICENSES/ISC.txt", "curl/LICENSES/BSD-4-Clause-UC.txt"]),
    "libmimalloc-sys": ("mimalloc", "MIT", None, ["c_src/mimalloc/v3/LICENSE"]),
    "libz-sys": ("zlib", "Zlib", "zlib:zlib", ["src/zlib/LICENSE"]),
    "openssl-src": ("OpenSSL", "Apache-2.0", "openssl:openssl", ["openssl/LICENSE.txt"]),
    "rdkafka-sys": (
        "librdkafka",
        "BSD-2-Clause AND BSD-3-Clause AND MIT AND Zlib AND ISC AND Apache-2.0",
        None,
        ["librdkafka/LICENSES.txt"],
    ),
    "zstd-sys": ("zstd", "BSD-3-Clause", "facebook:zstandard", ["zstd/LICENSE"]),
}
# Where the version of a library is, for crates whose own version does not end with it.
HEADERS = {
    "libmimalloc-sys": ("c_src/mimalloc/v3/include/mimalloc.h", r"#define MI_MALLOC_VERSION (\d)(\d\d)(\d\d)\b"),
    "libz-sys": ("src/zlib/zlib.h", r'#define ZLIB_VERSION "(\d+)\.(\d+)\.(\d+)"'),
}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def crates():
    """Returns the packages whose code is in a binary, sorted by name and version."""
    targets = [argument for target in TARGETS for argument in ("--target", target)]

    def listed(edges):
        tree = cargo("tree", "--locked", "--features", "static", "--edges", edges, "--prefix", "none", "--format", "{p}", *targets)
        return {tuple(line.split()[:2]) for line in tree.splitlines() if line}

    # Of what only the build runs, nothing is in the binary but OpenSSL, whose sources are in such a crate.
    names = listed("normal,no-proc-macro") | {it for it in listed("normal,build") if it[0] == "openssl-src"}
    packages = json.loads(cargo("metadata", "--locked", "--features", "static", "--format-version", "1"))["packages"]
    found = [it for it in packages if (it["name"], "v" + it["version"]) in names and it["name"] != "hookgate"]
    missing = LIBRARIES.keys() - {it["name"] for it in found}
    if missing:
        sys.exit(f"not among the crates any more, so not for scripts/tools/shipped.py: {', '.join(sorted(missing))}")
    return sorted(found, key=lambda it: (it["name"], it["version"]))


def folder(package):
    return pathlib.Path(package["manifest_path"]).parent


def version(package):
    """Returns the version of the library in a package."""
    if package["name"] not in HEADERS:
        return re.search(r"\+(?:[a-z]+[.-])?(\d+\.\d+\.\d+)$", package["version"])[1]
    file, pattern = HEADERS[package["name"]]
    return ".".join(str(int(number)) for number in re.search(pattern, (folder(package) / file).read_text()).groups())
