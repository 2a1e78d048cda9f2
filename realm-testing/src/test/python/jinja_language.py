#!/usr/bin/env python3
"""Renders the snippets of jinja-language.txt with Python's jinja2, set up as Hugging Face transformers does,
and writes jinja-language.json, which JinjaLanguageTest compares with. Needs python3-jinja2 (made with 3.1.2).

usage: jinja_language.py jinja-language.txt jinja-language.json
"""
import datetime
import json
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Sys <b>"},
        {"role": "user", "content": "H\u00e9llo \U0001f389"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "user", "content": ""},
    ],
    "tools": None,
    "documents": None,
}


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def main(source, target):
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.datetime(2026, 1, 15, 9, 30).strftime
    cases = []
    with open(source, encoding="utf-8", newline="") as file:
        for template in file.read().split("\n====\n"):
            case = {"template": template}
            try:
                case["rendered"] = environment.from_string(template).render(**json.loads(json.dumps(VARIABLES)))
            except Exception as error:  # Whatever Python raises is a refusal.
                case["error"] = type(error).__name__
            cases.append(case)
    with open(target, "w", encoding="utf-8") as file:
        json.dump({"variables": VARIABLES, "cases": cases}, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
