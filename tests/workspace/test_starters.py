"""The first texts are valid, and fit each other."""

from __future__ import annotations

from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings import parse_settings
from promptlab.workspace.starters import new_evalset_text, new_prompt_text, new_settings_text
from promptlab.workspace.templates import missing_variables


def no_file(_: str) -> bytes:
    raise AssertionError("it names no file")


def test_a_new_workspace_is_valid() -> None:
    prompt = parse_prompt(new_prompt_text("judges/my-first_one").encode(), "p", "prompts/p.toml")
    assert prompt.description == "My first one"
    assert prompt.messages[1].content == "{{ question }}"
    evalset = parse_evalset(new_evalset_text("first").encode(), "first", "evalsets/first.toml", no_file)
    assert missing_variables(prompt, evalset) == []
    settings = parse_settings(new_settings_text().encode())
    assert settings.defaults.models == ("mini",)
    assert settings.models["mini"].gguf == "demo:mini"


def test_what_is_commented_out_is_valid_too() -> None:
    lines = new_settings_text().splitlines()
    text = "\n".join(line[2:] if line.startswith("# ") and (" = " in line or "[" in line) else line for line in lines)
    assert parse_settings(text.encode()).models["gpt"].api_key_env == "OPENAI_API_KEY"
    for chosen in ("choices", "regex", "json_schema"):
        prompt = new_prompt_text("p").replace("# [output]", "[output]").replace(f"# {chosen}", chosen)
        assert parse_prompt(prompt.encode(), "p", "prompts/p.toml").output is not None
