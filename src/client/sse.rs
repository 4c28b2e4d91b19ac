//! Reads a `text/event-stream` (WHATWG HTML, section 9.2.6) from anything that gives bytes. What is held of it is
//! bounded, whoever sends it. It knows nothing of what the events mean and never connects.

use std::io::{self, Read};

/// Longest event, its field names and line ends included. Our own are some hundred bytes; a long title makes some
/// thousand.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
/// Bytes asked for at once.
const CHUNK_BYTES: usize = 8 * 1024;

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its type; empty where none was given.
    pub kind: String,
    /// The stream's id after it; absent where none was ever given.
    pub id: Option<String>,
    /// Its data lines, joined by line feeds.
    pub data: String,
    /// How soon to come back after a cut, if the stream said so with or before this event, milliseconds.
    pub retry_ms: Option<u64>,
}

/// Why no event follows.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The other side ended it; an event that was not finished is dropped.
    #[error("the stream ended")]
    Ended,
    /// The connection broke, or nothing came for too long.
    #[error("{0}")]
    Broke(#[from] io::Error),
    /// Longer than any event of ours.
    #[error("an event is longer than {MAX_EVENT_BYTES} bytes")]
    TooLong,
}

/// A stream being read.
pub struct Reader<R> {
    from: R,
    chunk: Box<[u8; CHUNK_BYTES]>,
    /// What of the chunk is not looked at yet.
    unread: std::ops::Range<usize>,
    line: Vec<u8>,
    /// The last line ended in a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    first_line: bool,
    /// Bytes of the present event so far.
    held_bytes: usize,
    block: Block,
    has_data: bool,
}

impl<R: Read> Reader<R> {
    /// Reads nothing yet.
    pub fn new(from: R) -> Reader<R> {
        Reader {
            from,
            chunk: Box::new([0; CHUNK_BYTES]),
            unread: 0..0,
            line: Vec::new(),
            after_return: false,
            first_line: true,
            held_bytes: 0,
            block: Block::default(),
            has_data: false,
        }
    }

    /// The next event that has data.
    pub fn next(&mut self) -> Result<Block, StreamError> {
        loop {
            self.read_line()?;
            if !self.line.is_empty() {
                self.take_field();
                continue;
            }
            self.held_bytes = 0;
            let Block { id, retry_ms, .. } = &self.block;
            let kept = Block { id: id.clone(), retry_ms: *retry_ms, ..Block::default() };
            let mut told = std::mem::replace(&mut self.block, kept);
            if std::mem::take(&mut self.has_data) {
                // The line feed after the last line is not data.
                told.data.pop();
                return Ok(told);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, StreamError> {
        if self.unread.is_empty() {
            let length = loop {
                match self.from.read(&mut self.chunk[..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            if length == 0 {
                return Err(StreamError::Ended);
            }
            self.unread = 0..length;
        }
        let byte = self.chunk[self.unread.start];
        self.unread.start += 1;
        Ok(byte)
    }

    /// Fills `line` with the next line, without its end: CR LF, LF or CR.
    fn read_line(&mut self) -> Result<(), StreamError> {
        self.line.clear();
        let mut comment = false;
        loop {
            let byte = self.byte()?;
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => continue,
                b'\r' | b'\n' => break,
                // A comment says nothing, however long.
                _ if comment => continue,
                b':' if self.line.is_empty() => comment = true,
                _ => self.line.push(byte),
            }
            self.held_bytes += 1;
            if self.held_bytes > MAX_EVENT_BYTES {
                return Err(StreamError::TooLong);
            }
            if comment && self.line.is_empty() {
                // Not an empty line, which would end the event.
                self.line.push(b':');
            }
        }
        if std::mem::take(&mut self.first_line) && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(())
    }

    fn take_field(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.block.kind),
            "data" => {
                self.has_data = true;
                self.block.data.push_str(value);
                self.block.data.push('\n');
            }
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.block.retry_ms = value.parse().ok();
            }
            // Comments, and fields that nobody knows.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes in the pieces they are cut into, as a network does.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            into[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn all(pieces: Vec<&[u8]>) -> Vec<Block> {
        let mut reader = Reader::new(Pieces(pieces));
        let mut blocks = Vec::new();
        loop {
            match reader.next() {
                Ok(block) => blocks.push(block),
                Err(StreamError::Ended) => return blocks,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn block(kind: &str, id: Option<&str>, data: &str) -> Block {
        Block { kind: kind.into(), id: id.map(Into::into), data: data.into(), retry_ms: None }
    }

    #[test]
    fn line_ends_comments_and_cuts_change_nothing() {
        let text = ": hello\n\nid: 1-0\nevent: a\ndata: x\ndata:  y\n: between\n\ndata\n\nid: 2-0\nnone: z\n\ndata: w\n\n";
        let expected =
            [block("a", Some("1-0"), "x\n y"), block("", Some("1-0"), ""), block("", Some("2-0"), "w")];
        for ends in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', ends).into_bytes();
            assert_eq!(all(vec![&bytes]), expected, "{ends:?}");
            for at in 1..bytes.len() {
                assert_eq!(all(vec![&bytes[..at], &bytes[at..]]), expected, "{ends:?} cut at {at}");
            }
            assert_eq!(all(bytes.chunks(1).collect()), expected, "{ends:?} byte by byte");
        }
        assert_eq!(all(vec![b"\xef\xbb\xbfdata: x\n\n"]), [block("", None, "x")]);
    }

    #[test]
    fn an_event_that_is_not_finished_is_not_told() {
        assert_eq!(all(vec![b"data: x\n\nid: 2-0\ndata: y\n"]), [block("", None, "x")]);
        assert_eq!(all(vec![b"data: x"]), []);
    }

    #[test]
    fn retry_is_taken_where_it_is_a_number() {
        let blocks = all(vec![b"retry: 5\ndata: x\n\nretry: 7s\nretry: -1\nid: a\0b\ndata: y\n\n"]);
        assert_eq!(blocks[0].retry_ms, Some(5));
        assert_eq!((blocks[1].retry_ms, &blocks[1].id), (Some(5), &None));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let too_long = |bytes: Box<dyn Read>| matches!(Reader::new(bytes).next(), Err(StreamError::TooLong));
        assert!(too_long(Box::new(io::repeat(b'x'))), "a line without end");
        let many = b"data: x\n".repeat(MAX_EVENT_BYTES);
        assert!(too_long(Box::new(io::Cursor::new(many))), "lines without end");
        // Comments are not held, and events of the longest kind are told.
        let comment = io::Cursor::new(b":").chain(io::repeat(b'x').take(4 << 20));
        let data = "x".repeat(MAX_EVENT_BYTES - 100);
        let told = format!("\ndata: {data}\n\n").repeat(3);
        let mut reader = Reader::new(comment.chain(io::Cursor::new(told)));
        for _ in 0..3 {
            assert_eq!(reader.next().unwrap().data, data);
        }
        assert!(reader.line.capacity() <= 2 * MAX_EVENT_BYTES);
    }
}
