"""What Evals changes: each is asked for, checked before it is written, and can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from promptlab.errors import PromptlabError
from promptlab.lab.wording import plural
from promptlab.tui.background import in_thread
from promptlab.tui.external import edit_outside
from promptlab.tui.safe import one_line
from promptlab.tui.screens.evals_rows import example_pieces, import_pieces
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Ask, Question
from promptlab.tui.widgets.form import NOTHING, Field, Form, Save
from promptlab.tui.widgets.wrapping import Piece
from promptlab.workspace.example_files import ExampleEdits
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab.evalset_settings import Setting
    from promptlab.lab.importing import Import
    from promptlab.lab.sittings import Place
    from promptlab.tui.screens.evals import EvalsScreen

_HINTS = {
    "text": "Enter writes it. D on the line goes back to the default.",
    "number": "A number. D on the line goes back to the default.",
    "guardrail": "A metric, margin or ratio, and a number: greeting margin 0.03",
    "metric": 'An id such as exact, or { id = "regex", name = "greeting", pattern = "^Hi" }',
}

_WAS = "was"
"""What of a draft says what the line was before; no field of the form."""


def _place_of(setting: Setting) -> str:
    """Which line it is, for a draft; a new one has no place yet."""
    new = setting.kind in ("metric", "guardrail") and not setting.given
    return "/".join(map(str, (*setting.path[:-1], "new") if new else setting.path))


class Changes:
    """What the Evals screen does to its files."""

    def __init__(self, screen: EvalsScreen) -> None:
        self._screen = screen

    # -- examples -----------------------------------------------------------------------------------------

    async def _write(self, edits: ExampleEdits, title: str) -> str:
        """Write, read again, say so. Gives the sentence that says why it could not be, or ""."""
        from promptlab.lab.examples import change_examples

        screen, examples = self._screen, self._screen.examples
        if examples is None:
            return "There is no eval set to change."
        lab = await screen.session.lab()
        try:
            await in_thread(partial(change_examples, lab, examples.evalset, edits, title))
        except PromptlabError as fault:
            return str(fault)
        await screen.read()
        screen.session.say(f"{title}. u takes it back.")
        return ""

    async def _written(self, edits: ExampleEdits, title: str) -> None:
        if problem := await self._write(edits, title):
            self._screen.session.say(problem, bad=True)

    async def edit(self, example: Example, typed: Mapping[str, str] = NOTHING) -> None:
        """Change an example in a form.

        Args:
            typed: What some fields say instead, as if it had been typed.
        """
        from promptlab.tui.screens.evals_form import example_of

        async def save(texts: Mapping[str, str]) -> str:
            try:
                new = example_of(texts, example)
            except PromptlabError as fault:
                return str(fault)
            if new == example:
                return ""
            return await self._write(ExampleEdits({example.id: new}), f"changed {one_line(example.id)}")

        await self._form(f"Example {one_line(example.id)}", example, example.id, save, typed)

    async def add(self, like: Example | None = None, typed: Mapping[str, str] = NOTHING) -> None:
        """Add an example in a form; without an eval set, say how to begin one.

        Args:
            like: Whose variables it begins with.
            typed: What other fields say, as if it had been typed.
        """
        from promptlab.lab.examples import free_ids
        from promptlab.tui.screens.evals_form import example_of, texts_of

        screen, examples = self._screen, self._screen.examples
        if examples is None:
            screen.session.say("There is no eval set to add to: n creates one.", bad=True)
            return
        start = Example(free_ids((one.id for one in examples.evalset.examples), 1)[0])

        async def save(texts: Mapping[str, str]) -> str:
            try:
                new = example_of(texts, start)
            except PromptlabError as fault:
                return str(fault)
            problem = await self._write(ExampleEdits(new=(new,)), f"added {one_line(new.id)}")
            if not problem:
                screen.table.select(new.id)
            return problem

        await self._form(
            f"New example of {one_line(screen.session.evalset)}", start, "", save, texts_of(like) | dict(typed)
        )

    async def _form(self, title: str, example: Example, id: str, save: Save, typed: Mapping[str, str]) -> None:
        """Show the form of an example with what was typed into it before; ``id`` is "" for a new one."""
        from promptlab.tui.screens.evals_form import fields_of, variables_of

        keeping = self._screen.session.keeping
        place: Place = ("example", self._screen.session.evalset, id)
        typed = {**keeping.fields(place), **typed}
        fields = fields_of(self._screen.examples, example, variables_of(typed))
        form = Form(title, fields, save, typed, partial(keeping.typed, place))
        await app_of(self._screen).push_screen_wait(form)

    async def take_up(self) -> None:
        """Open the forms that were open when the program ended, one after the other."""
        keeping = self._screen.session.keeping
        for draft in await keeping.left("example"):
            if draft.name != self._screen.session.evalset:
                await self._screen.go_to(draft.name)
            examples = self._screen.examples
            if examples is None:
                return  # it does not load, which is said; the form is kept until it does
            there = next((example for example in examples.evalset.examples if example.id == draft.id), None)
            if there is not None:
                await self.edit(there)
                continue
            if draft.id:  # it is gone meanwhile: what was typed begins a new one
                keeping.moved(draft, "")
            await self.add()
        await self._take_up_settings()

    async def _take_up_settings(self) -> None:
        from promptlab.lab.evalset_settings import new_setting

        for draft in await self._screen.session.keeping.left("setting"):
            if draft.name != self._screen.session.evalset:
                await self._screen.go_to(draft.name)
            if self._screen.examples is None:
                return
            line = next((one for one in self._screen.settings if _place_of(one) == draft.id), None)
            if line is None or (line.kind in ("metric", "guardrail") and line.text != draft.fields.get(_WAS)):
                # A new one, or another one stands in its place by now.
                kind = "metric" if draft.id.startswith("metrics") else "guardrail"
                line = new_setting(self._screen.examples.evalset, kind, "")
                self._screen.session.keeping.moved(draft, _place_of(line))
            await self.set(line)

    async def delete(self) -> None:
        """Delete what is chosen, after a question."""
        chosen, examples = self._screen.chosen, self._screen.examples
        if not chosen or examples is None:
            return
        what = one_line(chosen[0].id) if len(chosen) == 1 else plural(len(chosen), "example")
        body: list[Piece] = []
        for example in chosen[:20]:
            body += [Piece(f"{one_line(example.id)}\n", "head"), *example_pieces(examples, example), Piece("\n")]
        question = Question(f"Delete {what}?", body, [Answer("delete", "D", "Delete")])
        if await app_of(self._screen).push_screen_wait(question) == "delete":
            await self._written(ExampleEdits(gone=frozenset(one.id for one in chosen)), f"deleted {what}")

    async def tags(self) -> None:
        """Set the tags of what is chosen."""
        from promptlab.lab.example_marks import retagged

        chosen, examples = self._screen.chosen, self._screen.examples
        if not chosen or examples is None:
            return
        single = len(chosen) == 1
        of = one_line(chosen[0].id) if single else plural(len(chosen), "example")
        known = ", ".join(list(examples.with_tag())[:8])
        hint = f"+late adds, -late takes away, a list sets them. There are: {known or 'none'}."
        value = ", ".join(chosen[0].tags) if single else ""
        text = await app_of(self._screen).push_screen_wait(Ask(f"Tags of {of}", hint, lambda _: "", value=value))
        changed = {one.id: structs.replace(one, tags=retagged(one.tags, text)) for one in chosen if text}
        await self._changed(chosen, changed, "tagged")

    async def split(self) -> None:
        """Put the marked examples, else all that are shown, into splits."""
        from promptlab.lab.example_marks import splits_of

        screen, examples = self._screen, self._screen.examples
        if examples is None:
            return
        chosen = screen.chosen if screen.marked else screen.shown
        there = ", ".join(f"{name or 'none'} {count}" for name, count in examples.in_split().items())
        hint = f"A name, - for none, or shares by chance: dev 70 test 30. Now: {there}."

        def check(text: str) -> str:
            try:
                splits_of(chosen[:1], text)
            except PromptlabError as fault:
                return str(fault)
            return ""

        title = f"Split of {plural(len(chosen), 'example')}"
        text = await app_of(screen).push_screen_wait(Ask(title, hint, check))
        if text:
            splits = splits_of(chosen, text)
            changed = {one.id: structs.replace(one, split=splits[one.id]) for one in chosen}
            await self._changed(chosen, changed, "split")

    async def _changed(self, chosen: list[Example], new: dict[str, Example], verb: str) -> None:
        edits = {one.id: new[one.id] for one in chosen if one.id in new and new[one.id] != one}
        if edits:
            what = one_line(next(iter(edits))) if len(edits) == 1 else plural(len(edits), "example")
            await self._written(ExampleEdits(edits), f"{verb} {what}")

    # -- more examples ------------------------------------------------------------------------------------

    async def take_in(self) -> None:
        """Add the examples of a file, after a preview; without an eval set begin one with them."""
        from promptlab.lab.importing import read_import

        screen = self._screen
        lab = await screen.session.lab()

        def path_of(text: str) -> Path:
            return lab.root / Path(text.strip()).expanduser()

        def check(text: str) -> str:
            return "" if path_of(text).is_file() else "There is no such file."

        hint = "The path of a CSV or JSONL, from the workspace or with ~. Nothing is written yet."
        text = await app_of(screen).push_screen_wait(Ask("Import examples", hint, check))
        if not text:
            return
        path = path_of(text)
        try:
            found = await in_thread(partial(read_import, path, screen.examples))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return
        if not found.new:
            screen.session.say(f"{one_line(found.source)} has nothing new: all its lines are there already.")
            return
        kept = await self._ask_import(found)
        if not kept:
            screen.session.say("Nothing was imported.")
        elif screen.examples is None:
            await self._begin(path.stem, kept)
        else:
            await self._written(ExampleEdits(new=kept), f"imported {plural(len(kept), 'example')}")

    async def _ask_import(self, found: Import) -> tuple[Example, ...]:
        answers = [Answer("all", "I", f"Import {len(found.new)}")]
        if 0 < len(found.twins) < len(found.new):
            answers.append(Answer("new", "N", f"Only the {len(found.new) - len(found.twins)} that ask something new"))
        title = f"Import into {one_line(self._screen.session.evalset or 'a new eval set')}?"
        answer = await app_of(self._screen).push_screen_wait(Question(title, import_pieces(found), answers))
        if answer == "new":
            return tuple(one for one in found.new if one.id not in found.twins)
        return found.new if answer == "all" else ()

    async def new(self) -> None:
        """Create an eval set from a beginning."""
        hint = "Letters, digits, - and _. It begins with two examples and a metric, to change."
        name = await app_of(self._screen).push_screen_wait(Ask("Name of the new eval set", hint, lambda _: ""))
        if name:
            await self._begin(name, ())

    async def _begin(self, name: str, examples: tuple[Example, ...]) -> None:
        from promptlab.lab.examples import new_evalset

        screen = self._screen
        lab = await screen.session.lab()
        try:
            await in_thread(partial(new_evalset, lab, name, examples))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return
        await screen.go_to(name)
        screen.session.say(f"created evalsets/{name}.toml")

    # -- settings -----------------------------------------------------------------------------------------

    async def set(self, setting: Setting) -> None:
        """Change one line of the settings; a text that is refused stays in the form."""

        async def save(texts: Mapping[str, str]) -> str:
            text = texts[setting.label]
            return await self._set(setting, text) if text.strip() and text != setting.text else ""

        several = "\n" in setting.text
        field = Field(setting.label, setting.label, setting.text, _HINTS[setting.kind], lines=several)
        title = f"{setting.label}: {setting.note}".removesuffix(": ")
        keeping = self._screen.session.keeping
        place: Place = ("setting", self._screen.session.evalset, _place_of(setting))

        def keep(typed: Mapping[str, str]) -> None:
            keeping.typed(place, {**typed, _WAS: setting.text} if typed else typed)

        form = Form(title, [field], save, keeping.fields(place), keep)
        await app_of(self._screen).push_screen_wait(form)

    async def add_setting(self, kind: Literal["guardrail", "metric"]) -> None:
        """Add a metric or a guardrail."""
        from promptlab.lab.evalset_settings import new_setting

        if self._screen.examples is not None:
            await self.set(new_setting(self._screen.examples.evalset, kind, ""))

    async def unset(self, setting: Setting) -> None:
        """Take a line out of the file, after a question."""
        if not setting.given:
            self._screen.session.say(f"{setting.label} is the default already.")
            return
        body = [Piece(f"{setting.label} = {setting.text}")]
        question = Question("Take this line out of the file?", body, [Answer("delete", "D", "Take it out")])
        if await app_of(self._screen).push_screen_wait(question) != "delete":
            return
        if problem := await self._set(setting, ""):
            self._screen.session.say(problem, bad=True)

    async def _set(self, setting: Setting, text: str) -> str:
        """Write it, read again, say so. Gives the sentence that says why it could not be, or ""."""
        from promptlab.lab.evalset_settings import change_setting

        screen = self._screen
        lab = await screen.session.lab()
        try:
            await in_thread(partial(change_setting, lab, screen.session.evalset, setting, text))
        except PromptlabError as fault:
            return str(fault)
        await screen.read()
        screen.session.say(f"changed {setting.label}. u takes it back.")
        return ""

    # -- the person's own editor --------------------------------------------------------------------------

    async def example_outside(self) -> None:
        """Edit the example under the cursor as TOML."""
        from promptlab.tui.screens.evals_form import as_toml, from_toml

        example = self._screen.example
        if example is None:
            return
        try:
            text = edit_outside(as_toml(example), "example.toml", app_of(self._screen).suspend)
            new = from_toml(text)
        except PromptlabError as fault:
            self._screen.session.say(str(fault), bad=True)
            return
        await self._changed([example], {example.id: new}, "changed")

    async def settings_outside(self) -> None:
        """Edit the eval set's own file; what is wrong with it afterwards is said."""
        from promptlab.lab.evalset_settings import read_source, write_source

        screen = self._screen
        lab = await screen.session.lab()
        if not screen.session.evalset:
            return
        try:
            before = await in_thread(partial(read_source, lab, screen.session.evalset))
            text = edit_outside(before, f"{screen.session.evalset.rpartition('/')[2]}.toml", app_of(screen).suspend)
            if text == before:
                return
            problem = await in_thread(partial(write_source, lab, screen.session.evalset, before, text))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return
        await screen.read()
        screen.session.say(problem or "saved. u takes it back.", bad=bool(problem))
