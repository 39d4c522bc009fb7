"""What fills the preview and the trial: an example of an eval set, or an input that the person typed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line
from promptlab.tui.screens.evals_form import VARIABLE, example_of, texts_of
from promptlab.tui.screens.preview import Look, best_evalset
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.form import Field, Form
from promptlab.workspace.example_files import ExampleEdits, file_of
from promptlab.workspace.values import EvalSet, Example

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.sittings import Place
    from promptlab.tui.screens.prompts import PromptsScreen

TAG = "ad-hoc"
"""Of examples that were typed beside a prompt."""
_NO_INPUT = "There is no input of your own to add: i types one."
_PLAIN = {"id": TAG, "tags": "", "group": "", "split": ""}


class Filling:
    """The example of the moment on the Prompts screen.

    Attributes:
        evalset: The one whose examples fit the prompt in the editor, None before it is looked at.
        at: Place of the example in it.
        own: The person's own input is shown instead.
    """

    def __init__(self, screen: PromptsScreen) -> None:
        self._screen = screen
        self._evalsets: list[EvalSet] = []
        self._default: str | None = None
        self._inputs: dict[str, Example] = {}
        self._wanted = ""
        self._unread = ""
        self.evalset: EvalSet | None = None
        self.at = 0
        self.own = False

    async def load(self) -> None:
        """Read the eval sets; what does not load is said."""
        lab = await self._screen.session.lab()
        self._default = await in_thread(lab.default_evalset)
        found: list[EvalSet] = []
        before, self._unread = self._unread, ""
        for name in await in_thread(lab.evalset_names):
            try:
                found.append(await in_thread(partial(lab.evalset, name)))
            except PromptlabError as fault:
                self._unread = str(fault).partition("\n")[0]
                self._screen.session.say(self._unread, bad=True)
        if not self._unread:
            self._screen.session.unsay(before)
        self._evalsets = found
        self.forget()

    def forget(self) -> None:
        """Choose the eval set anew: the prompt or the files are others."""
        self._wanted = self.example.id if self.example is not None and not self.own else self._wanted
        self.evalset, self.at = None, 0

    def choose(self, seen: Look) -> None:
        """Take the eval set that fits a prompt, and in it the example that was shown before."""
        usual = seen.prompt.evalset if seen.prompt else None
        self.evalset = best_evalset(self._evalsets, usual or self._default, frozenset(seen.used))
        ids = [example.id for example in self.evalset.examples] if self.evalset else []
        self.at = ids.index(self._wanted) if self._wanted in ids else 0

    @property
    def input(self) -> Example | None:
        """The person's own input, if that is what is shown."""
        return self._inputs.get(self._screen.current) if self.own else None

    @property
    def example(self) -> Example | None:
        """What fills the preview."""
        if self.input is not None:
            return self.input
        examples = self.evalset.examples if self.evalset else ()
        return examples[self.at] if self.at < len(examples) else None

    def step(self, step: int) -> None:
        """Go to another example of the eval set."""
        self.own = False
        if self.evalset is not None and self.evalset.examples:
            self.at = (self.at + step) % len(self.evalset.examples)

    # -- the person's own input ---------------------------------------------------------------------------

    async def ask(self, seen: Look) -> None:
        """Have values typed for the variables of the prompt: the preview and the trial take them."""
        screen, name = self._screen, self._screen.current
        place: Place = ("input", name, "")
        keeping = screen.session.keeping
        own, begun = self._inputs.get(name), self.example or Example(TAG)
        vars = (own or begun).vars
        base = Example(TAG, {one: vars.get(one, "") for one in seen.used or vars}, own.expected if own else None)
        fields = _fields(base)
        before = {field.name: field.text for field in fields}
        kept = keeping.fields(place)

        def keep(typed: Mapping[str, str]) -> None:
            there = self._inputs.get(name)
            keeping.typed(place, before | dict(typed) if typed else texts_of(there))

        async def save(texts: Mapping[str, str]) -> str:
            try:
                self._inputs[name] = example_of({**_PLAIN, **texts}, base)
            except PromptlabError as fault:
                return str(fault)
            self.own = True
            return ""

        title = f"Your own input for {one_line(name)}"
        if await app_of(screen).push_screen_wait(Form(title, fields, save, kept, keep)):
            screen.session.say("r tries the prompt on it, a adds it to the eval set, ] goes to the examples.")
            screen.look_soon(0)

    async def add(self) -> None:
        """Add the person's own input to the eval set; where there is none, begin one with it."""
        screen, name = self._screen, self._screen.current
        if (input := self.input) is None:
            screen.session.say(_NO_INPUT, bad=True)
            return
        lab = await screen.session.lab()
        try:
            said = await in_thread(partial(_added, lab, self.evalset, name, input))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return
        self._wanted, self.own = said[0], False
        del self._inputs[name]
        screen.session.keeping.typed(("input", name, ""), {})
        await self.load()
        self._wanted = said[0]
        screen.look_soon(0)
        screen.session.say(f"{said[1]}. u takes it back.")


def _fields(example: Example) -> list[Field]:
    texts = {"expected": ""} | texts_of(example)
    hints = {"expected": "the right answer, if you know it"}
    names = [f"{VARIABLE}{name}" for name in example.vars]
    return [
        Field(name, name.removeprefix(VARIABLE), texts[name], hints.get(name, "a variable"), lines=True, over=True)
        for name in [*names, "expected"]
    ]


def _added(lab: Lab, evalset: EvalSet | None, prompt: str, input: Example) -> tuple[str, str]:
    """Write it. Gives its id and what was done, in words."""
    from promptlab.lab.examples import change_examples, free_ids, new_evalset, read_examples

    if evalset is None:
        new = structs.replace(input, id="e001", tags=(TAG,))
        new_evalset(lab, prompt, (new,))
        return new.id, f"created evalsets/{prompt}.toml with {new.id}, tagged {TAG}"
    now = lab.evalset(evalset.name)
    (id,) = free_ids((example.id for example in now.examples), 1)
    new = structs.replace(input, id=id, tags=(TAG,))
    change_examples(lab, now, ExampleEdits(new=(new,)), f"added {id}")
    twin = read_examples(lab, evalset.name).twins.get(id)
    same = f"; {one_line(twin)} asks the same" if twin else ""
    return id, f"added {id} to {file_of(now)}, tagged {TAG}{same}"
