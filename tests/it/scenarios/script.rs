//! A scenario file, taken apart: Markdown in which the fenced blocks count, and everything else is for people.

/// A piece of a file, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line that is kept as it is.
    Line(String),
    /// ```` ```toml world ````: the tenant, as `manntall simulate --world` reads one.
    World(String),
    /// ```` ```toml target ````: more in the table of the target.
    Target(String),
    /// ```` ```text simulate ````: more arguments of `manntall simulate`.
    Simulate(String),
    /// A line of ```` ```console ```` that begins with `$ `, without that. What was said to it is left out.
    Typed(String),
}

/// The text of the pieces, with the lines of a block that is read whole kept before it.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        pieces.push(Piece::Line(line.to_owned()));
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else { continue };
        let mut block = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            block.push(line);
        }
        if kind == "console" {
            let typed = block.iter().filter_map(|line| line.strip_prefix("$ "));
            pieces.extend(typed.map(|line| Piece::Typed(line.to_owned())));
        } else {
            pieces.extend(block.iter().map(|line| Piece::Line((*line).to_owned())));
            let whole = block.join("\n");
            pieces.push(match kind {
                "toml world" => Piece::World(whole),
                "toml target" => Piece::Target(whole),
                "text simulate" => Piece::Simulate(whole),
                kind => panic!("```{kind} means nothing in a scenario"),
            });
        }
        pieces.push(Piece::Line("```".to_owned()));
    }
    pieces
}
