"""Model files: what they hold and say of themselves, where they come from, how they are written and measured again."""
