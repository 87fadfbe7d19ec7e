"""Any model in, a verdict out: `redoubt judge` and `redoubt.judge`, and evidence from outside: `redoubt challenge`.

    report = redoubt.judge(model, x, y, norm="linf", eps=8 / 255)
    report.accuracy, report.worst, report.checks, report.frame(), report.to_html("report.html")

May import: reports and what lies below it.
"""

from redoubt.judging.judgment import judge
from redoubt.judging.report import Report

__all__ = ["Report", "judge"]
