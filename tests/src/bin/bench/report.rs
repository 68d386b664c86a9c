//! What came out: figures with their budgets, as a table or as one JSON object.

use std::fmt;

use serde_json::{Value, json};

/// What a figure may be at most, or must be at least. The second number is the aim after the first is met.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    AtMost(f64, Option<f64>),
    AtLeast(f64, Option<f64>),
}

impl Budget {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit, _) => value <= limit,
            Self::AtLeast(limit, _) => value >= limit,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, limit, aim) = match self {
            Self::AtMost(limit, aim) => ('≤', limit, aim),
            Self::AtLeast(limit, aim) => ('≥', limit, aim),
        };
        write!(f, "{sign} {}", number(*limit))?;
        aim.map_or(Ok(()), |aim| write!(f, ", then {}", number(aim)))
    }
}

#[derive(Debug)]
struct Figure {
    section: &'static str,
    id: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    budget: Option<Budget>,
}

#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
    facts: Vec<(&'static str, String)>,
    section: &'static str,
    /// No progress is told when only the JSON is wanted.
    silent: bool,
}

impl Report {
    pub fn new(silent: bool) -> Self {
        Self { silent, ..Self::default() }
    }

    /// What the following figures are about.
    pub fn section(&mut self, title: &'static str) {
        self.section = title;
        self.progress(title);
    }

    pub fn progress(&self, text: &str) {
        if !self.silent {
            eprintln!("... {text}");
        }
    }

    /// Something that the figures depend on.
    pub fn fact(&mut self, what: &'static str, text: impl Into<String>) {
        self.facts.push((what, text.into()));
    }

    pub fn figure(&mut self, id: &'static str, what: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { section: self.section, id, what: what.into(), value, unit, budget: None });
    }

    pub fn budgeted(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: Budget,
    ) {
        let section = self.section;
        self.figures.push(Figure { section, id, what: what.into(), value, unit, budget: Some(budget) });
    }

    pub fn json(&self) -> Value {
        let figure = |figure: &Figure| {
            let (limit, aim) = match figure.budget {
                None => (Value::Null, Value::Null),
                Some(Budget::AtMost(limit, aim)) => (json!({ "atMost": limit }), json!(aim)),
                Some(Budget::AtLeast(limit, aim)) => (json!({ "atLeast": limit }), json!(aim)),
            };
            json!({"id": figure.id, "section": figure.section, "what": figure.what, "value": figure.value, "unit": figure.unit,
                "budget": limit, "aim": aim, "met": figure.budget.map(|budget| budget.is_met_by(figure.value))})
        };
        let facts: serde_json::Map<_, _> =
            self.facts.iter().map(|(what, text)| ((*what).to_owned(), json!(text))).collect();
        json!({ "facts": facts, "figures": self.figures.iter().map(figure).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, text) in &self.facts {
            writeln!(f, "{what:<12} {text}")?;
        }
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = figure.section;
                writeln!(f, "\n{section}")?;
            }
            let value = format!("{} {}", number(figure.value), figure.unit);
            let verdict = match figure.budget {
                None => String::new(),
                Some(budget) if budget.is_met_by(figure.value) => format!("  {:<10} {budget}", "met"),
                Some(budget) => format!("  {:<10} {budget}", "NOT MET"),
            };
            writeln!(f, "{}", format!("  {:<66} {value:>16}{verdict}", figure.what).trim_end())?;
        }
        Ok(())
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_on_its_budget_is_within_it() {
        assert!(Budget::AtMost(1.4, None).is_met_by(1.4) && !Budget::AtMost(1.4, None).is_met_by(1.41));
        assert!(Budget::AtLeast(70.0, None).is_met_by(70.0) && !Budget::AtLeast(70.0, None).is_met_by(69.9));
        assert_eq!(Budget::AtMost(1.4, Some(1.25)).to_string(), "≤ 1.4, then 1.25");
    }
}
