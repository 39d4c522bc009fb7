"""The first text of a new file: short, commented, valid."""

from __future__ import annotations


def new_prompt_text(name: str) -> str:
    """A prompt to begin with."""
    title = name.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ")
    return f'''\
description = "{title.capitalize()}"

[params]
temperature = 0.0       # 0 gives the most probable answer every time
max_tokens = 256

# What an answer must look like. Remove the marks of one line to use it:
# [output]
# choices = ["yes", "no"]
# regex = "[A-Z]{{2}}-[0-9]+"
# json_schema = {{ type = "object", required = ["id"] }}

[[messages]]
role = "system"
content = """You are a helpful assistant. Answer in one sentence."""

# {{{{ question }}}} is filled from an example's `vars`.
[[messages]]
role = "user"
content = """{{{{ question }}}}"""
'''


def new_evalset_text(name: str) -> str:
    """An eval set to begin with; its examples fit ``new_prompt_text``."""
    title = name.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ")
    return f'''\
description = "{title.capitalize()}"

[[metrics]]
id = "contains"         # 1 when the answer contains what the example expects, else 0

[decision]
primary = "contains"    # the metric that decides which version is better
min_effect = 0.02       # smaller differences do not matter

# Two examples show the form; a verdict needs many more (60 are a good start).
[[examples]]
id = "capital"
vars = {{ question = "What is the capital of France?" }}
expected = "Paris"

[[examples]]
id = "sum"
vars = {{ question = "What is 2 + 2?" }}
expected = "4"
'''


def new_settings_text() -> str:
    """A ``promptlab.toml`` to begin with: the packaged model, and an endpoint to fill in."""
    return """\
# Models that prompts run on.
[models.mini]
gguf = "demo:mini"      # comes with promptlab and knows only support tickets; or the path of a GGUF file

# Any OpenAI-compatible endpoint. Remove the marks to use it:
# [models.gpt]
# model = "gpt-4.1-mini"
# base_url = "https://api.openai.com/v1"
# api_key_env = "OPENAI_API_KEY"     # the name of the variable; never the key itself
# price = { input = 0.40, output = 1.60, currency = "USD", per = 1000000 }

# What `promptlab run` uses when the command does not say.
[defaults]
models = ["mini"]
"""
