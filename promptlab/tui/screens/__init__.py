"""The screens: each asks the lab, and shows what it says on the widgets."""
