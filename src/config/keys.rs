//! Dotted keys, as `--set` and `check-config` write them, and the variables that set them.

/// The environment's prefix: `EXPRESSIOND__CAMERA__SOURCE=...`.
pub(crate) const ENVIRONMENT_PREFIX: &str = "EXPRESSIOND";

/// Dotted keys with their values.
pub fn flatten(table: &toml::Table, prefix: &str) -> Vec<(String, toml::Value)> {
    let mut rows = Vec::new();
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            toml::Value::Table(inner) => rows.extend(flatten(inner, &format!("{key}."))),
            other => rows.push((key, other.clone())),
        }
    }
    rows
}

/// The variable that sets `key`.
pub(crate) fn variable(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}__{}", key.to_uppercase().replace('.', "__"))
}

/// The dotted key that a variable of the right form sets.
pub(crate) fn of_variable(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix(ENVIRONMENT_PREFIX)?.strip_prefix("__")?;
    Some(rest.to_lowercase().replace("__", "."))
}
