"""Pure decisions: which fields of a case one vendor may see, in which form, for which purpose."""
