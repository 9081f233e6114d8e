"""Containing an alert: plan, apply, verify, roll back.

`plan` and `ways/` decide, from what EC2, Lambda and history answer, and call nothing; `execute` calls, with a row of
`response_actions` before the first call and after the last.
"""
