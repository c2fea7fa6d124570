//! Grafana's dashboards: four, of the classic format, which every Grafana since 10 imports. They ask for the exporter's
//! own metrics only, so that they draw where no recording rule is installed.

pub mod board;
mod exporter;
mod nodes;
mod overview;
mod query;
mod routes;
mod view;

use self::board::Board;
use super::rule::{Dashboard, Panel};
use super::{File, Options};

/// All dashboards.
pub fn boards() -> [Board; 4] {
    [
        overview::board(),
        routes::board(),
        nodes::board(),
        exporter::board(),
    ]
}

pub(super) fn files(options: &Options) -> Vec<File> {
    let boards = boards();
    let file = |board: &Board| File {
        path: format!("dashboards/{}.json", board.dashboard.uid()),
        text: format!("{:#}\n", board.json(options)),
    };
    boards.iter().map(file).collect()
}

/// The number of a panel on its dashboard, part of its address.
pub(super) fn number(panel: &Panel) -> Option<usize> {
    let board = match panel.dashboard {
        Dashboard::Overview => overview::board(),
        Dashboard::Routes => routes::board(),
        Dashboard::Nodes => nodes::board(),
        Dashboard::Exporter => exporter::board(),
    };
    board.number(panel.title)
}
