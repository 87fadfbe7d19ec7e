"""How a verdict looks, on pages and in figures: a style, a sign that says it without color, and one palette.

The styles are those of `site.css`, whose light scheme has the same colors.
"""

# A verdict's first words -> (style, sign). The order is that of counts: from good to open.
SHOWN = {
    "reproduced": ("good", "✓"),
    "direction holds": ("good", "✓"),
    "not told apart": ("even", "≈"),
    "direction fails": ("bad", "✗"),
    "lower": ("bad", "↓"),
    "higher": ("doubt", "↑"),
    "flagged": ("doubt", "⚑"),
    "not comparable": ("open", "≠"),
    "not run": ("open", "○"),
}
OTHER = ("open", "·")
# What became of a check (`check_states.STATES`).
CHECKS = {
    "failed": ("bad", "✗"), "passed": ("good", "✓"), "not made": ("doubt", "○"), "does not apply": ("open", "·"),
}  # fmt: skip
COLORS = {"good": "#14663d", "even": "#0b4f78", "bad": "#9c2a20", "doubt": "#744c00", "open": "#47515c"}
FAINT = {"good": "#e2f3e8", "even": "#e1eef6", "bad": "#fbe6e3", "doubt": "#fdefcf", "open": "#eceef1"}


def shown(verdict: str | None) -> tuple[str, str]:
    """The style and the sign of a verdict; one that is not known is shown as open."""
    text = str(verdict or "")
    return next((v for k, v in SHOWN.items() if text.startswith(k)), OTHER)


def color(verdict: str | None) -> str:
    """The color of a verdict's words, as `#rrggbb`."""
    return COLORS[shown(verdict)[0]]
