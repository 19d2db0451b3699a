"""May this debtor be contacted now: law packs compiled into one pure decision."""
