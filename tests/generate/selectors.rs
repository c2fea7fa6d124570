//! The series that rules ask for.

use bingo_exporter::generate::alerts::Set;
use bingo_exporter::generate::rule::Rule;
use promql_parser::parser::{Expr, VectorSelector};

/// Every selector of every expression, with the name of its rule.
pub(crate) fn selectors(sets: &[Set], job_regex: &str) -> Vec<(String, VectorSelector)> {
    let mut selectors = vec![];
    for set in sets {
        for rule in &set.group.rules {
            let (name, expr) = match rule {
                Rule::Alert(alert) => (alert.name, &alert.expr),
                Rule::Record(record) => (record.name.as_str(), &record.expr),
            };
            let expr = expr.replace("$job", job_regex);
            let found = in_expression(&expr);
            assert!(!found.is_empty(), "{name}");
            selectors.extend(found.into_iter().map(|selector| (name.to_owned(), selector)));
        }
    }
    selectors
}

/// Every selector of one expression.
#[track_caller]
pub(crate) fn in_expression(expr: &str) -> Vec<VectorSelector> {
    let parsed = promql_parser::parser::parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let mut found = vec![];
    walk(&parsed, &mut found);
    found
}

fn walk(expr: &Expr, found: &mut Vec<VectorSelector>) {
    match expr {
        Expr::VectorSelector(selector) => found.push(selector.clone()),
        Expr::MatrixSelector(matrix) => found.push(matrix.vs.clone()),
        Expr::Aggregate(aggregate) => walk(&aggregate.expr, found),
        Expr::Unary(unary) => walk(&unary.expr, found),
        Expr::Paren(paren) => walk(&paren.expr, found),
        Expr::Subquery(subquery) => walk(&subquery.expr, found),
        Expr::Call(call) => call.args.args.iter().for_each(|arg| walk(arg, found)),
        Expr::Binary(binary) => {
            walk(&binary.lhs, found);
            walk(&binary.rhs, found);
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}
