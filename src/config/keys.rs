//! Dotted keys, as `--set` and `check-config` write them.

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
