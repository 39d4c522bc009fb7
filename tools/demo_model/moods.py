"""The fifth stage's mix: the fourth's, with far more of urgency and sentiment, which the stages before learn last.

Importing it changes the weights of tasks.py in place.
"""
from __future__ import annotations

import more as m
import policies as p
import tasks as t
import wider as v

t.MIX[:] = [(t.task_field, .15), (v.task_multi, .15), (t.task_fewshot, .02), (t.task_summary, .03), (t.task_reply, .03), (t.task_judge, .03), (t.task_chat, .004), (t.task_session, .05),
            (v.task_mood, .32), (m.task_judge2, .03), (v.task_judge3, .07), (m.task_match2, .03), (v.task_correct, .02),
            (p.task_policy_shots, .08), (p.task_rules, .07), (p.task_rubrics, .07)]
