#!/usr/bin/env python3
"""Turns the data files of this folder into the JSON that openapi.cc completes.

Usage: compile.py OUT.cc FILE.toml... Each file describes one surface: its tag, its
schemas and its operations. README.md in this folder explains the notation. Whatever
is wrong with the data ends the build with a message.
"""

import json
import pathlib
import re
import sys
import tomllib

METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}
SIMPLE = {
    "bool": {"type": "boolean"},
    "any": {},
    "object": {"type": "object"},
    "uuid": {"type": "string", "format": "uuid"},
    "time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "email": {"type": "string", "format": "email"},
    "millis": {"type": "integer", "format": "int64", "minimum": 0},
    "cents": {"type": "integer", "format": "int64"},
}
KEYS = {"id", "summary", "description", "path", "query", "headers", "body", "example", "errors",
        "sends", "optional_body"}


class Mistake(Exception):
    pass


def range_of(text, low, high):
    """`1..500` as the keywords `low` and `high`."""
    bounds = re.fullmatch(r"(-?\d*)\.\.(-?\d*)", text)
    if not bounds:
        raise Mistake(f"not a range: {text}")
    pairs = zip((low, high), bounds.groups())
    return {key: int(value) for key, value in pairs if value}


def plain(text):
    """A type without null, default and description."""
    name, _, rest = text.partition(" ")
    rest = rest.strip()
    if name in SIMPLE and not rest:
        return dict(SIMPLE[name])
    if name == "text":
        return {"type": "string"} | (range_of(rest, "minLength", "maxLength") if rest else {})
    if name == "int":
        return ({"type": "integer", "format": "int64"} |
                (range_of(rest, "minimum", "maximum") if rest else {}))
    if name == "number":
        return {"type": "number"} | (range_of(rest, "minimum", "maximum") if rest else {})
    if name == "enum":
        return {"type": "string", "enum": rest.split()}
    if name == "pattern":
        return {"type": "string", "pattern": rest}
    if name == "proto":  # proto <enum> <prefix> [VALUE=spelling]...
        enum, prefix, *renamed = rest.split()
        spellings = dict(pair.split("=") for pair in renamed)
        return {"type": "string",
                "enum_of": {"name": enum, "prefix": prefix, "spellings": spellings}}
    array = re.fullmatch(r"\[(.*)\](?: (\S+))?", text)
    if array:
        limits = range_of(array.group(2), "minItems", "maxItems") if array.group(2) else {}
        return {"type": "array", "items": schema(array.group(1))} | limits
    mapping = re.fullmatch(r"\{(.*)\}", text)
    if mapping:
        return {"type": "object", "additionalProperties": schema(mapping.group(1))}
    if " or " in text:
        return {"anyOf": [plain(one) for one in text.split(" or ")]}
    if re.fullmatch(r"[A-Z]\w*", text):
        return {"$ref": f"#/components/schemas/{text}"}
    raise Mistake(f"not a type: {text}")


def nullable(one):
    if "$ref" in one:
        return {"anyOf": [one, {"type": "null"}]}
    if "enum" in one:
        return one | {"type": ["string", "null"], "enum": one["enum"] + [None]}
    if "type" in one:
        return one | {"type": [one["type"], "null"]}
    return one


def schema(text):
    """`int 1..500 = 50 // Description`, and `|null` after the type."""
    text, _, description = text.partition(" // ")
    text, _, default = text.strip().partition(" = ")
    if text.endswith("|null"):
        one = nullable(plain(text.removesuffix("|null")))
    else:
        one = plain(text)
    if default:
        one["default"] = json.loads(default)
    if description:
        one["description"] = description.strip()
    return one


def object_schema(members, all_members):
    """Every member is required unless its name ends in `?`; others are not allowed."""
    members = dict(members)
    description = members.pop("description_", None)
    extra = members.pop("more_", None)
    merged = {}
    for base in members.pop("+", []):
        if base not in all_members:
            raise Mistake(f"no schema {base} to extend")
        merged |= {k: v for k, v in all_members[base].items() if k not in ("description_", "+")}
    merged |= members
    one = {"type": "object"}
    if description:
        one["description"] = description
    one["properties"] = {name.removesuffix("?"): schema(text) for name, text in merged.items()}
    required = [name for name in merged if not name.endswith("?")]
    if required:
        one["required"] = required
    one["additionalProperties"] = schema(extra) if extra else False
    return one


def content(text):
    """`text/html`, `application/json Job`, or `Job` for the latter."""
    media, _, rest = text.partition(" ")
    if "/" not in media or media.startswith("["):
        media, rest = "application/json", text
    return {media: {"schema": schema(rest) if rest else {"type": "string"}}}


def parameter(place, name, text):
    one = schema(text)
    described = {"name": name.removesuffix("?").removesuffix("!"), "in": place}
    described["required"] = place == "path" or name.endswith("!")
    if "description" in one:
        described["description"] = one.pop("description")
    return described | {"schema": one}


def answer(text, sends):
    """`Job // It was there already.`; empty: no body."""
    text, _, description = text.partition(" // ")
    one = {"description": description.strip() or "Done."}
    if sends:
        one["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in sends}
    if text.strip():
        one["content"] = content(text.strip())
    return one


def operation(data, tag):
    unknown = {key for key in data if key not in KEYS and not re.fullmatch(r"\d{3}", key)}
    if unknown:
        raise Mistake(f"unknown keys {sorted(unknown)}")
    one = {"operationId": data["id"], "summary": data["summary"], "tags": [tag]}
    if "description" in data:
        one["description"] = data["description"]
    parameters = []
    for place, key in (("path", "path"), ("query", "query"), ("header", "headers")):
        parameters += [parameter(place, n, t) for n, t in data.get(key, {}).items()]
    if parameters:
        one["parameters"] = parameters
    if "body" in data:
        media = content(data["body"])
        if "example" not in data:
            raise Mistake("a body needs an example")
        next(iter(media.values()))["example"] = json.loads(data["example"])
        one["requestBody"] = {"required": not data.get("optional_body", False), "content": media}
    codes = sorted(key for key in data if re.fullmatch(r"\d{3}", key))
    if not codes:
        raise Mistake("no answer")
    one["responses"] = {code: answer(data[code], data.get("sends", [])) for code in codes}
    one["errors"] = [str(code) for code in data.get("errors", [])]
    return one


def check(document):
    """Ids are unique, references lead somewhere, every schema is used."""
    ids = [one["operationId"] for one in document["operations"].values()]
    for name in set(ids):
        if ids.count(name) > 1:
            raise Mistake(f"two operations are called {name}")
    text = json.dumps(document)
    for kind in ("schemas", "headers"):
        used = set(re.findall(rf'"#/components/{kind}/([\w-]+)"', text))
        missing = used - set(document["components"][kind])
        idle = set(document["components"][kind]) - used - set(document.get("used_by_program", []))
        if missing or (idle and kind == "schemas"):
            raise Mistake(f"{kind}: missing {sorted(missing)}, unused {sorted(idle)}")


def read(paths):
    document = {"info": {}, "tags": [], "operations": {}, "components": {"schemas": {},
                                                                         "headers": {}}}
    sources = {path: tomllib.loads(path.read_text()) for path in paths}
    members = {name: one for data in sources.values()
               for name, one in data.get("schemas", {}).items()}
    for path, data in sources.items():
        try:
            read_surface(data, members, document)
        except (Mistake, KeyError, ValueError) as problem:
            raise Mistake(f"{path.name}: {problem}") from problem
    check(document)
    document.pop("used_by_program")
    order = document.pop("order")
    document["tags"].sort(key=lambda tag: order.index(tag["name"]))
    return document


def read_surface(data, members, document):
    if "tag" in data:
        document["tags"].append({"name": data["tag"], "description": data["description"]})
    for key in ("info", "errors", "security", "order", "used_by_program"):
        if key in data:
            document[key] = data[key]
    for name, text in data.get("headers", {}).items():
        one = schema(text)
        document["components"]["headers"][name] = {"description": one.pop("description"),
                                                   "schema": one}
    for name, one in data.get("schemas", {}).items():
        if name.endswith("Members"):  # Only to be extended.
            continue
        try:
            document["components"]["schemas"][name] = object_schema(one, members)
        except (Mistake, ValueError) as problem:
            raise Mistake(f"schema {name}: {problem}") from problem
    for key, one in data.get("operations", {}).items():
        method, _, path = key.partition(" ")
        if method not in METHODS or not path.startswith("/") or key in document["operations"]:
            raise Mistake(f"not a new METHOD and path: {key}")
        try:
            document["operations"][key] = operation(one, data["tag"])
        except (Mistake, KeyError, ValueError) as problem:
            raise Mistake(f"{key}: {problem}") from problem


SOURCE = """// Generated from the data files in services/gateway/openapi.
#include "services/gateway/openapi_data.h"

namespace gatehouse::gateway {

std::string_view OpenApiData() {
  static constexpr std::string_view kData = R"~json~(%s)~json~";
  return kData;
}

}  // namespace gatehouse::gateway
"""


def main():
    out, *files = (pathlib.Path(argument) for argument in sys.argv[1:])
    try:
        document = read(files)
    except Mistake as problem:
        print(f"openapi: {problem}", file=sys.stderr)
        return 1
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(SOURCE % json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
