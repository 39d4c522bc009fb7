"""The third stage's mix: the second's, with more of what came late: judging by a question, rubrics, urgency and sentiment.

Importing it changes the weights of tasks.py in place.
"""
from __future__ import annotations

import more as m
import tasks as t
import wider as v

v.JUDGED = (.33, .80)
t.MIX[:] = [(t.task_field, .17), (v.task_multi, .12), (t.task_fewshot, .05), (t.task_summary, .05), (t.task_reply, .04), (t.task_judge, .07), (t.task_chat, .003), (t.task_session, .06),
            (v.task_mood, .13), (v.task_shots, .07), (m.task_opposite, .04), (v.task_firstlast, .015), (m.task_judge2, .05), (v.task_judge3, .30), (m.task_match2, .05), (v.task_correct, .04)]
