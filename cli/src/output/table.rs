//! Aligned columns. Pure: cells in, text out.

use super::words::colour_of;

/// Rows under a heading. Columns that hold only numbers are aligned to the right.
#[derive(Debug, Clone, Default)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self { heading: heading.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row, one cell a column; an empty cell is shown as `-`.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let shown = cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { cell });
        self.rows.push(shown.collect());
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line ended.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let columns: Vec<(usize, bool)> = (0..self.heading.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| &row[column]);
                let width = cells.clone().chain([&self.heading[column]]).map(|cell| cell.chars().count()).max();
                let number = |cell: &String| cell == "-" || cell.chars().all(|c| c.is_ascii_digit());
                let right = !self.rows.is_empty()
                    && cells.clone().all(number)
                    && cells.clone().any(|cell| cell.starts_with(|c: char| c.is_ascii_digit()));
                (width.unwrap_or(0), right)
            })
            .collect();
        let mut out = line(&self.heading, &columns, |cell| if colour { format!("\x1b[1m{cell}\x1b[0m") } else { cell });
        for row in &self.rows {
            out.push_str(&line(row, &columns, |cell| match colour_of(cell.trim()).filter(|_| colour) {
                Some(code) => format!("\x1b[{code}m{cell}\x1b[0m"),
                None => cell,
            }));
        }
        out
    }
}

fn line(cells: &[String], columns: &[(usize, bool)], paint: impl Fn(String) -> String) -> String {
    let mut out = String::new();
    for (at, (cell, (width, right))) in cells.iter().zip(columns).enumerate() {
        let last = at + 1 == columns.len();
        let padded = match (*right, last) {
            (true, _) => format!("{cell:>width$}"),
            (false, true) => cell.clone(),
            (false, false) => format!("{cell:<width$}"),
        };
        out.push_str(&paint(padded));
        out.push_str(if last { "\n" } else { "  " });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Table;
    use expect_test::expect;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "STATUS", "RUNNING", "TASK DEFINITION"]);
        table.row(["web".into(), "ACTIVE".into(), "3".into(), "web:12".into()]);
        table.row(["a-longer-name".into(), "DRAINING".into(), "12".into(), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        expect![[r"
            NAME           STATUS    RUNNING  TASK DEFINITION
            web            ACTIVE          3  web:12
            a-longer-name  DRAINING       12  -
        "]]
        .assert_eq(&table().render(false));
        expect![[r"
            NAME  STATUS
        "]]
        .assert_eq(&Table::new(&["NAME", "STATUS"]).render(false));
    }

    #[test]
    fn colour_changes_no_alignment() {
        let plain = |text: &str| {
            let mut out = String::new();
            let mut parts = text.split('\x1b');
            out.push_str(parts.next().unwrap_or_default());
            parts.for_each(|part| out.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
            out
        };
        let coloured = table().render(true);
        assert!(coloured.contains("\x1b[32mACTIVE"));
        assert_eq!(plain(&coloured), table().render(false));
    }
}
