"""Can the gate be trusted? Its verdicts on models that are, and are not, slower or worse, beside naive peers'."""
