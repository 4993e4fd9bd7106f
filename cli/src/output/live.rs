//! Progress on stderr: a few lines that are redrawn in place on a terminal, or a line a change where that is wanted in a
//! log, or nothing.

use std::io::Write as _;

/// Progress as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Progress {
    /// Redrawn in place on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// One line a change, anywhere.
    Plain,
    /// Nothing.
    None,
}

/// A terminal narrower than told cuts lines here.
const WIDTH_DEFAULT: usize = 100;

/// Progress as shown.
#[derive(Debug)]
pub struct Live {
    mode: Mode,
    /// The lines that stand below the cursor's start.
    block: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Plain,
    Moving { width: usize },
}

impl Live {
    /// Progress as `wanted`, given whether stderr is a terminal.
    #[must_use]
    pub fn new(wanted: Progress, terminal: bool) -> Self {
        let mode = match wanted {
            Progress::None => Mode::Off,
            Progress::Plain => Mode::Plain,
            Progress::Auto if terminal => Mode::Moving { width: width() },
            Progress::Auto => Mode::Off,
        };
        Self { mode, block: Vec::new() }
    }

    /// Prints `lasting` lines for good, and `block` below them in place of the last block.
    pub fn show(&mut self, lasting: &[String], block: Vec<String>) {
        if lasting.is_empty() && block == self.block {
            return;
        }
        self.write(&self.drawn(lasting, &block));
        self.block = block;
    }

    /// Takes the block away; what was printed for good stays.
    pub fn clear(&mut self) {
        if matches!(self.mode, Mode::Moving { .. }) {
            self.show(&[], Vec::new());
        }
    }

    /// Takes the block away for as long as something else prints.
    pub fn lift(&mut self) {
        if matches!(self.mode, Mode::Moving { .. }) && !self.block.is_empty() {
            self.write(&format!("\x1b[{}A\r\x1b[J", self.block.len()));
        }
    }

    /// Draws the block again after [`Live::lift`].
    pub fn put_back(&mut self) {
        if matches!(self.mode, Mode::Moving { .. }) && !self.block.is_empty() {
            let block = std::mem::take(&mut self.block);
            self.show(&[], block);
        }
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // Where stderr is gone there is nobody to show progress to: errors of writing are no errors of the command.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn drawn(&self, lasting: &[String], block: &[String]) -> String {
        let mut out = String::new();
        match self.mode {
            Mode::Off => {}
            Mode::Plain => {
                let changed = block.iter().filter(|line| !self.block.contains(line));
                lasting.iter().chain(changed).for_each(|line| out.push_str(&format!("{line}\n")));
            }
            Mode::Moving { width } => {
                if !self.block.is_empty() {
                    out.push_str(&format!("\x1b[{}A", self.block.len()));
                }
                out.push_str("\r\x1b[J");
                lasting.iter().for_each(|line| out.push_str(&format!("{line}\n")));
                // A line that wraps would be two to the terminal and one to us.
                for line in block {
                    out.extend(line.chars().take(width.saturating_sub(1)));
                    out.push('\n');
                }
            }
        }
        out
    }
}

fn width() -> usize {
    let asked = rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| usize::from(size.ws_col));
    asked.filter(|columns| *columns > 0).unwrap_or(WIDTH_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::{Live, Mode};

    fn live(mode: Mode, block: &[&str]) -> Live {
        Live { mode, block: block.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_terminal_gets_the_block_redrawn_and_a_log_gets_what_changed() {
        let lasting = ["event".to_owned()];
        let block = ["one".to_owned(), "two and more".to_owned()];
        let drawn = |mode, before: &[&str]| live(mode, before).drawn(&lasting, &block);
        assert_eq!(drawn(Mode::Off, &["one"]), "");
        assert_eq!(drawn(Mode::Plain, &["one"]), "event\ntwo and more\n");
        let moving = Mode::Moving { width: 7 };
        assert_eq!(drawn(moving, &["a", "b", "c"]), "\x1b[3A\r\x1b[Jevent\none\ntwo an\n");
        assert_eq!(drawn(moving, &[]), "\r\x1b[Jevent\none\ntwo an\n");
    }
}
