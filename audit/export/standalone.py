"""Verifies an export of a Casegate log with Python 3.9 or later and nothing of Casegate's.

Usage: python3 verify.py EXPORT --vkey VKEY     (EXPORT: a directory or a zip; see VERIFY.md)
Ed25519 is checked with the package `cryptography` if it is there, else with OpenSSL 3.
Exit status: 0 verified, 1 altered, 2 cannot tell.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import typing
import zipfile
import zlib
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

SIZE, WIDTH, LOG, WITNESS = 32, 256, b"\x01", b"\x04"  # of a hash, of a tile; kinds of keys
DER = bytes.fromhex("302a300506032b6570032100")  # before an Ed25519 public key, RFC 8410
VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")
SUM = re.compile(r"([0-9a-f]{64})  (\w[\w.-]*(?:/\w[\w.-]*)*)\n", re.ASCII)
NOTE = re.compile("((?:[^\n]+\n){3})\n((?:\u2014 [^ \n]+ [A-Za-z0-9+/=]+\n)+)")
PROOF = re.compile("c2sp.org/tlog-proof@v1\n(?:extra (.*)\n)?index ([0-9]+)\n((?:.+\n)*)\n")


def require(holds: object, otherwise: str) -> None:
    """Raise ValueError (altered), unless it holds; what cannot be told is a RuntimeError."""
    if not holds:
        raise ValueError(otherwise)


def is_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is true (RFC 8032)."""
    if HAS_CRYPTOGRAPHY:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
    command = [shutil.which("openssl") or "", "pkeyutl", "-verify", "-pubin", "-keyform", "DER"]
    if not command[0]:
        raise RuntimeError("SIGNATURE NOT CHECKED: neither `cryptography` nor openssl is here")
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("-inkey", DER + public), ("-in", message), ("-sigfile", signature)):
            (Path(folder) / name).write_bytes(data)
            command += [name, str(Path(folder) / name)]
        command.append("-rawin")
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
    said = done.stdout + done.stderr
    if b"Verified Successfully" not in said and b"Verification Failure" not in said:
        raise RuntimeError("SIGNATURE NOT CHECKED: this openssl cannot; version 3 can")
    return done.returncode == 0


def parse_vkey(text: str, kind: bytes) -> tuple[str, bytes, bytes]:
    """Name, kind with public key, and key id of a verifier key."""
    match = VKEY.fullmatch(text.strip())
    name, key_id, encoded = match.groups() if match else ("", "", "")
    key = b64decode(encoded)
    known = sha256(name.encode() + b"\n" + key).digest()[:4]
    if key[:1] != kind or known.hex() != key_id:
        raise RuntimeError(f"not a verifier key: {text}")
    return name, key, known


def fold(hashes: bytes) -> bytes:
    """The root over hashes whose number is a power of two (RFC 9162, 2.1.1)."""
    while len(hashes) > SIZE:
        pairs = range(0, len(hashes), 2 * SIZE)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in pairs])
    return hashes


def parse_exact(data: bytes) -> dict[str, typing.Any]:
    """JSON in the one spelling of exports, so that all readers read the same."""
    content = json.loads(data)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # noqa: TID251
    require(text.encode() + b"\n" == data, "JSON in another spelling")
    return dict(content)


class Export:
    """An export's files, in a directory or read in place from a zip, and their checks."""

    def __init__(self, place: Path) -> None:
        self.place, self.tiles = place, {("", 0): b""}
        if not place.is_dir():
            self.archive = archive = zipfile.ZipFile(place)  # kept: when it goes, it closes
            names = archive.namelist()
            tops = {name.split("/")[0] for name in names}
            require(len(set(names)) == len(names) and len(tops) == 1, "not one export in the zip")
            self.place = typing.cast("Path", zipfile.Path(archive, f"{tops.pop()}/"))
        match = NOTE.fullmatch(self.read("checkpoint").decode())
        require(match, "the checkpoint is not a signed note")
        self.body, lines = match.groups() if match else ("", "")
        head = self.body.split("\n")
        self.origin, self.size, self.root = head[0], int(head[1]), b64decode(head[2])
        self.signed = [line.split(" ")[1:] for line in lines.splitlines()]

    def read(self, path: str) -> bytes:
        """A whole file of bounded length."""
        with (self.place / path).open("rb") as file:
            return file.read(1 << 30)

    def digest(self, path: str) -> str:
        """SHA-256 of a file in hex."""
        total = sha256()
        with (self.place / path).open("rb") as file:
            for block in iter(lambda: file.read(1 << 16), b""):
                total.update(block)
        return total.hexdigest()

    def is_signed_by(self, key: tuple[str, bytes, bytes]) -> bool:
        """Whether a key signed or cosigned the checkpoint; a false signature of it is refused."""
        named = [b64decode(text) for name, text in self.signed if name == key[0]]
        made = [data[4:] for data in named if data[:4] == key[2]]
        for data in made:
            start = 8 if key[1][:1] == WITNESS else 0
            time = b"cosignature/v1\ntime %d\n" % int.from_bytes(data[:8], "big")
            message = (time if start else b"") + self.body.encode()
            require(is_signature(key[1][1:], data[start:], message), f"false: {key[0]}")
        return bool(made)

    def check_signatures(self, policy: str, vkey: str) -> list[str]:
        """Hold the checkpoint to the log's key and a quorum (C2SP tlog-policy); its cosigners."""
        logs, names, agreed, quorum = [parse_vkey(vkey, LOG)] if vkey else [], [], {"none"}, ""
        for words in (line.split() for line in policy.split("\n") if line[:1] != "#"):
            if words[:1] == ["log"] and not vkey:
                logs.append(parse_vkey(words[1], LOG))
            elif words[:1] == ["witness"] and self.is_signed_by(parse_vkey(words[2], WITNESS)):
                names.append(words[1])
            elif words[:1] == ["group"]:
                number = {"any": 1, "all": len(words) - 3}.get(words[2]) or int(words[2])
                if len(agreed.union(names).intersection(words[3:])) >= number:
                    agreed.add(words[1])
            elif words[:1] == ["quorum"]:
                quorum = words[1]
        signed = [self.is_signed_by(key) for key in logs if key[0] == self.origin]
        if not signed:
            raise RuntimeError("the checkpoint is of a log whose key was not given")
        require(any(signed), "the log's key did not sign the checkpoint")
        if quorum not in agreed.union(names):
            raise RuntimeError("the quorum of witnesses is not reached")
        return names

    def tile(self, level: str, index: int) -> bytes:
        """The tile of a level (C2SP tlog-tiles), or of "entries"."""
        if (level, index) not in self.tiles:
            height = 0 if level == "entries" else int(level)
            width = min(WIDTH, (self.size >> 8 * height) - WIDTH * index)
            groups = re.findall("...", str(index).zfill(-(-len(str(index)) // 3) * 3))
            path = "/".join(["tile", level, *("x" + group for group in groups[:-1]), groups[-1]])
            data = self.read(path if width == WIDTH else f"{path}.p/{width}")
            require(level == "entries" or len(data) == SIZE * width, f"{path} is cut off")
            if len(self.tiles) > WIDTH:
                self.tiles.clear()
            self.tiles[level, index] = data
        return self.tiles[level, index]

    def hash(self, level: int, index: int) -> bytes:
        """One hash of a level; at level 0, the leaf hash of an entry."""
        return self.tile(str(level), index // WIDTH)[index % WIDTH * SIZE :][:SIZE]

    def check_tree(self, first: int, end: int) -> None:
        """Lead the leaf hashes of the range, and all tiles above, to the root."""
        edge: list[bytes] = []
        for level in range(8):
            full, rest = divmod(self.size >> 8 * level, WIDTH)
            start, stop = (0, full) if level else (first // WIDTH, min(full, -(-end // WIDTH)))
            for index in range(start, stop):
                holds = fold(self.tile(str(level), index)) == self.hash(level + 1, index)
                require(holds, f"tile {index} of level {level} was altered")
            roots, hashes = [], self.tile(str(level), full) if rest else b""
            for width in (SIZE << bit for bit in range(7, -1, -1) if rest >> bit & 1):
                roots.append(fold(hashes[:width]))
                hashes = hashes[width:]
            edge = roots + edge
        root = edge.pop()
        while edge:
            root = fold(edge.pop() + root)
        require(root == self.root, "the tiles do not lead to the signed root")

    def check_proof(self, path: str, index: int, entry: bytes) -> bytes:
        """A receipt (C2SP tlog-proof; RFC 9162, 2.1.3.2) of an entry, by default its `extra`."""
        text = self.read(path).decode()
        match = PROOF.match(text)
        extra, number, proof = match.groups() if match else ("", "-1", "")
        holds = int(number) == index and text.split("\n\n")[1] == self.body[:-1]
        require(holds, f"{path} is not of this entry and this checkpoint")
        entry = entry or b64decode(extra or "")
        root, low, high = sha256(b"\x00" + entry).digest(), index, self.size - 1
        for other in map(b64decode, proof.split()):
            is_right = low & 1 or low == high
            root = fold(other + root) if is_right else fold(root + other)
            while is_right and low and not low & 1:
                low, high = low >> 1, high >> 1
            low, high = low >> 1, high >> 1
        require(root == self.root and not high, f"{path} does not lead to the root")
        return entry

    def check_entries(self, says: dict[str, typing.Any], filters: dict[str, str]) -> None:
        """Each line of entries.jsonl, and a whole log's bundles, against the leaf hashes."""
        count, lowest, frames = 0, says["range"]["first"], b""
        with (self.place / "entries.jsonl").open("rb") as file:
            for line in file:
                shown = parse_exact(line)
                index, text = shown["index"], shown.get("entry")
                entry = b64decode(shown["entry_base64"]) if text is None else text.encode()
                leaf = sha256(b"\x00" + entry).digest()
                holds = lowest <= index < says["range"]["end"] and leaf == self.hash(0, index)
                rest = [("index", int(index)), ("leaf_hash", leaf.hex())]
                content = json.loads(entry) if filters else {}
                vendor, time = content.get("vendor"), content.get("time", "")
                holds &= [*shown.items()][1:] == rest
                holds &= vendor == filters.get("vendor", vendor)
                holds &= filters.get("since", "") <= time < filters.get("until", "~")
                require(holds, f"entry {index} of entries.jsonl is not as signed and asked for")
                if says["proofs"] == "each":
                    self.check_proof(f"proofs/{index}.tlog-proof", index, entry)
                lowest, count = index + 1, count + 1
                frames = b"" if filters else frames + len(entry).to_bytes(2, "big") + entry
                if frames and (lowest % WIDTH == 0 or lowest == self.size):
                    holds = frames == self.tile("entries", index // WIDTH)
                    require(holds, f"the bundle of entry {index} was altered")
                    frames = b""
        require(count == says["shown"], f"{count} entries shown, {says['shown']} claimed")

    def verify(self, policy: str, vkey: str) -> str:
        """Check everything; returns what holds, in words."""
        names = self.check_signatures(policy, vkey)
        says = parse_exact(self.read("manifest.json"))
        first, end, filters = says["range"]["first"], says["range"]["end"], says["filters"]
        count, asked = says["shown"], says["asked"]
        head = [self.origin, self.size, self.root.hex()]
        kind = ["casegate-export/1", "filtered" if filters else "whole"]
        holds = [says["origin"], says["size"], says["root"]] == head
        holds &= [says["format"], says["kind"]] == kind and 0 <= first < end <= self.size
        holds &= (len(says), len(says["range"]), len(asked)) == (12, 2, 3)
        holds &= 0 <= says["withheld"] == end - first - count
        holds &= not set(filters) - {"vendor", "since", "until"}
        require(holds and (filters or count == self.size), "the manifest is not of this export")
        self.check_tree(first, end)
        self.check_entries(says, filters)
        told = "NOT PROVEN, the entry that tells it is newer than the checkpoint"
        if asked["index"] < self.size:
            entry = json.loads(self.check_proof("request.tlog-proof", asked["index"], b""))
            wanted = {"actor": asked["by"], "time": asked["at"], "filters": filters}
            wanted.update({"first": first, "end": end, "shown": count} if filters else {})
            holds = all(entry.get(name) == value for name, value in wanted.items())
            require(holds and entry["type"] == "log.exported", "the log tells of another export")
            told = f"{asked['by']}, {asked['at']}"
        require(self.digest("files.sha256") == says["files"], "files.sha256 was altered")
        for line in self.read("files.sha256").decode().splitlines(keepends=True):
            match = SUM.fullmatch(line)
            require(match and self.digest(match[2]) == match[1], f"altered file: {line[66:-1]}")
        part = f"filtered: {count} of {end - first} entries of the range [{first}, {end}) shown"
        said = f"verified: {part if filters else 'the whole log'}\nlog: {self.origin}, {self.size}"
        said += f" entries, root {self.root.hex()}\ncosigned by: {', '.join(names) or 'nobody'}"
        return f"{said}\nexported by: {told}"


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path, help="a directory or a zip")
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--vkey", default="", help="the log's verifier key, got by another way")
    keys.add_argument("--policy", type=Path, help="a trust policy of your own, instead")
    keys.add_argument("--trust-included-key", action="store_true", help="proves next to nothing")
    asked = parser.parse_args()
    try:
        export = Export(asked.export)
        policy = asked.policy.read_bytes() if asked.policy else export.read("log.policy")
        status, said = 0, export.verify(policy.decode(), asked.vkey)
        said += "" if asked.policy else "\nnote: these witnesses are named by the export itself"
        if asked.trust_included_key:
            said += "\nWARNING: THE KEY CAME WITH THE EXPORT: WHO ALTERS ONE CAN ALTER BOTH"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        status, said = 1, f"ALTERED: {error!s} ({type(error).__name__})"
    except (RuntimeError, OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        status, said = 2, f"CANNOT TELL: {error}"
    print(said, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
