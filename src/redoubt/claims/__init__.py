"""The papers' claims, judged on the records: claims/*.yaml -> reports/claims.json and the table `claims`.

A claim in a file holds what the paper says (`redoubt.claims.schema`) and, where a run can test it, one of

    judge:   # a direction: every comparison must hold on one study; a difference is always left minus right
      - {left: cure/main, right: trades/main, measure: accuracy, attack: worst, expect: higher}
      - {left: purifier/rt1, value: 0.05, measure: accuracy, attack: pgd50, expect: lower}
    number:  # a number of the paper, and the protocol under which it may be compared with ours
      {run: cure/main, measure: accuracy, attack: pgd, params: {steps: 20}, eps: 8/255}

`measure`: `accuracy`, `nrr` (of clean and attacked accuracy), `gap` (clean minus attacked), `overfitting` (attack minus
attack_last, that is best minus last weights) each have `attack`: a named attack of the study, `clean` or `worst`, which
`nrr` and `gap` mean where they name none
(image by image over all main attacks that a seed of a run faced; where the two sides faced different ones, that is
listed, the difference is taken over those that both faced and a second time over all, and where the two outcomes differ
nothing is told apart); `seconds_per_epoch`; `fluctuation` (standard deviation of validation robust accuracy over the
second half of the epochs); `metric` needs `metric`, a name in the last epoch of the training record.
Accuracies and what is made of them are shares: `value: 0.1` is 10 %. `expect`: `higher`, `lower` (than right or value),
`same` (the whole interval within `tolerance`, 0.01 where it is not given), `not_lower`, `not_higher` (by more than
`tolerance`).
`number.attack` is an attack of the package, with `clean` for none; `params` are those that must agree.

Verdicts, worst first, are `schema.VERDICTS`. A direction is judged for each study that holds all its runs, and on a
data set where none does, by the study that holds most of them: what could not be compared is not told apart. Of
several comparisons, `directions.RULE` makes one verdict. A number is judged only where data set, architecture,
threat, attack and its steps agree; elsewhere it is `not comparable`.

reports/claims.json is a list, worst verdict first, of
    paper (arXiv number), title, file (of the claim), headline (whether it stands for the paper in one sentence), id,
    claim, kind (`direction`, `number` or `context`), by (`paper`, or `ours` for a control that no paper claims),
    status, source, note, test (as in the file),
    paper_value (as printed), says (the paper's numbers behind a direction), protocol (the paper's: data set,
    architecture, metric, table), study (or null),
    ours, interval: of one comparison its number and [low, high], in `unit`; of several one text with all, and null;
    unit (`points`, `%`, `s`, or null), differences (list of texts: how the protocols differ), verdict,
    direction (what a flagged claim would be, else null), why, cost (text, for what was not run, else null),
    comparisons (list of {text, left, right, measure, attack, expect, against, tolerance, sides (the quantity of either
    side), value, interval, outcome, seeds (how many), used (which), n, discordant (images that only the left, only the
    right classifies correctly), bootstrap ({seed, draws}), same_attacks (of worst cases over
    different attacks those that both sides faced, which all of this is over, else null), all_attacks ({value, interval,
    outcome} over all that either side faced, else null)}; numbers in `unit`),
    protocols (list of {what, paper, here}), evidence (list of result and training record files).
"""

from redoubt.claims.report import build, write
from redoubt.claims.schema import VERDICTS, load, load_all

__all__ = ["VERDICTS", "build", "load", "load_all", "write"]
