"""AutoAttack: APGD, FAB and Square as one ensemble, and the parts that only they share."""
