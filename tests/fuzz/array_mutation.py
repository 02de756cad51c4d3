"""Arrays, archives of arrays and records: literals and numbers that are not quite possible."""

import io
import json
import zipfile

import numpy as np

from fuzz.raw_mutation import Random, mutated_bytes, packed_integer
from fuzz.seeds import npy

DESCRIPTIONS = (
    *("'<f4'", "'>i2'", "'|u1'", "'|b1'", "'<c8'", "'<f2'", "'<f16'", "'|O'", "'<U4'", "'|S3'"),
    *("'<M8[ns]'", "'<M8'", "'|V4'", "'|V0'", "[('a', '<f4')]", "('<f4', (2,))", "'<f4,<i2'"),
    *("''", "None", "3", "'<f3'", "{'names': ['a'], 'formats': ['<i4']}", "'f'", "b'<f4'"),
    *("'<f4' + 'x'", "('|u1', (2**40,))", "'" + "x" * 300 + "'"),
)
ORDERS = ("False", "True", "0", "1", "None", "'no'", "()")
SHAPES = (
    *("(4, 4)", "(16,)", "()", "(0,)", "(-1, 4)", "(4, -4)", "(2.0, 2)", "(1e3,)", "4", "[4, 4]"),
    *("(True, 4)", "(None,)", "('4',)", "(4, (4,))", "(2**31, 2)", "(2147483648, 2147483648)"),
    *("(18446744073709551617,)", "(99999999999, 99999999999, 99999999999)", "(1,) * 9"),
    *("(1, 1, 1, 1, 1, 1, 1, 2)", "(1,)" * 30, "(2, 2, 2, 2)", "(1, 1, 1, 1, 16)", "(4L, 4L)"),
)
HEADERS = (
    "{'descr': '<f4', 'fortran_order': False}",
    "[" * 90 + "]" * 90,
    "{" * 90 + "}" * 90,
    "(" * 5000,
    "-" * 4000 + "1",
    "[]",
    "{}",
    "",
    "\0" * 60,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': 1}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), **{}}",
    "{['descr']: 1}",
    "__import__('os').getcwd()",
    "'''" + "x" * 50,
    "\t {'descr':\n'<f4', \\\n'fortran_order': False, 'shape': (4,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'descr': '\ud7ff'}",
    "1" + "+1" * 3000,
    "{'descr': '\\N{no such}', 'fortran_order': False, 'shape': (4,)}",
    "{'descr': '\\d', 'fortran_order': False, 'shape': (4,)}",
    "{'descr': 1is 2, 'fortran_order': False, 'shape': (4,)}",
    "{'descr': '<f4', 'fortran_order': 0or 1, 'shape': (4,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0777,)}",
)
"""Python literals, or not quite."""


def mutated_npy(chosen: Random, data: bytes) -> bytes:
    """Write another header."""
    text = (
        f"{{'descr': {chosen.choice(DESCRIPTIONS)}, 'fortran_order': {chosen.choice(ORDERS)}, "
        f"'shape': {chosen.choice(SHAPES)}, }}\n"
    )
    raw = chosen.choice(HEADERS) if chosen.random() < 0.3 else text
    version = chosen.choice((1, 1, 1, 2, 3, 0, 255))
    made = npy(raw.encode("utf-8", "replace")[:65535], data[-256:], min(version, 2) or 1)
    made = made[:6] + bytes([version]) + made[7:]
    if chosen.random() < 0.2:
        made = made[:8] + packed_integer(chosen, "<", "h") + made[10:]
    return made


def _zip_members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def mutated_npz(chosen: Random, data: bytes) -> bytes:
    """Change one member of an archive of arrays, and pack it in one of many ways."""
    members = _zip_members(data)
    name = chosen.choice(list(members))
    how = chosen.randrange(5)
    if how == 0:
        members[name] = mutated_npy(chosen, members[name])
    elif how == 1:
        members[name] = mutated_bytes(chosen, members[name])
    elif how == 2:
        del members[name]
    else:
        values = np.load(io.BytesIO(members[name])).copy()
        flat = values.reshape(-1).view("u1")
        value = packed_integer(chosen, "<", "q")[: len(flat)]
        at = chosen.randrange(0, max(1, len(flat)), 8)
        flat[at : at + 8] = np.frombuffer(value, "u1")[: len(flat[at : at + 8])]
        stream = io.BytesIO()
        np.save(stream, values if chosen.random() < 0.8 else values.repeat(2))
        members[name] = stream.getvalue()
    stream = io.BytesIO()
    methods = (zipfile.ZIP_DEFLATED,) * 5 + (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2)
    with zipfile.ZipFile(stream, "w", chosen.choice(methods)) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


JUNK = (None, True, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, 1e-300, "", "x", [], {}, [[]], "ff")


def mutated_record(chosen: Random, data: bytes) -> bytes:
    """Change, drop or repeat one entry of a JSON file."""
    facts = json.loads(data)
    node, key = {"all": facts}, "all"
    while isinstance(node[key], (dict, list)) and node[key] and chosen.random() < 0.9:
        node = node[key]
        key = chosen.choice(list(node)) if isinstance(node, dict) else chosen.randrange(len(node))
    old = node[key]
    if chosen.random() < 0.2:
        del node[key]
    elif isinstance(old, str) and len(old) > 7 and chosen.random() < 0.8:
        at = chosen.randrange(len(old))
        node[key] = old[:at] + chosen.choice("0f7c8") * chosen.choice((1, 2, 8)) + old[at + 1 :]
        node[key] = node[key][: len(old)]
    elif isinstance(old, (int, float)) and chosen.random() < 0.5:
        node[key] = old * chosen.choice((-1, 0, 2, 0.5, 1e9, 1e-9))
    else:
        node[key] = chosen.choice(JUNK)
    text = json.dumps(facts)
    return text.replace("1e308", chosen.choice(("1e308", "1e999", "NaN", "-Infinity"))).encode()
