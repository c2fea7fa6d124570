//! The alerts: rules and their unit tests.

mod bingo;
mod exporter;
mod objectives;
mod service;

use super::case::Cases;
use super::rule::Group;
use super::{File, Options, yaml};
use crate::config::Config;

/// How long the errors that 30 days allow last at the alert's `$value`, in words; a template.
const MONTH: &str = r#"If that goes on, the errors that are allowed in 30 days are used up in {{ with printf "30 * 86400 * (1 - max(bingo_slo_objective_ratio{slo='availability',route=%q,method=%q})) / %f" $labels.route $labels.method $value | query }}{{ . | first | value | humanizeDuration }}{{ end }}.{{ with query "bingo_exporter_complete == 0" }} Some lines are missing from these numbers: see BingoDataIncomplete.{{ end }}"#;

/// The rules' files and those of their tests.
pub(super) fn files(config: &Config, options: &Options) -> Vec<File> {
    let mut files = vec![];
    for Set { group, cases } in sets(config) {
        let severity = |name: &str| group.alert(name).map_or("", |alert| alert.severity.as_str());
        let about = format!(
            "Run them with: promtool test rules alerts/tests/*.yml\n{}",
            group.about
        );
        files.push(File {
            path: format!("alerts/rules/{}.yml", group.name),
            text: group.yaml(options),
        });
        files.extend(cases.iter().map(|cases| File {
            path: format!("alerts/tests/{}.yml", cases.name),
            text: yaml::header(&about) + &cases.yaml(options, severity, |_| true),
        }));
    }
    files
}

/// Rules and what shows that they are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// A file of rules.
    pub group: Group,
    /// Its tests.
    pub cases: Vec<Cases>,
}

/// All rules.
pub fn sets(config: &Config) -> Vec<Set> {
    vec![
        service::set(),
        objectives::set(),
        bingo::set(config),
        exporter::set(),
    ]
}
