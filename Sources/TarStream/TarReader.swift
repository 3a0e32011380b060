/// Reads an archive that comes in chunks of any size, in bounded memory.
///
///     var position = 0
///     while let event = try reader.next(in: chunk, from: &position) { … }
///
/// and, when there are no more chunks, ``finish()``. Understands ustar, pax, GNU tar's own format and that of V7.
/// Concatenated members need no end-of-archive blocks; after such blocks everything is ignored, as tar does.
public struct TarReader: Sendable {
  /// What comes next in the archive.
  public enum Event: Hashable, Sendable {
    /// A header is complete; ``TarMember/size`` bytes of content follow.
    case member(TarMember)
    /// The offsets in the chunk of the next bytes of the last member's content; never empty.
    case content(Range<Int>)
    /// Two blocks of zeros; the last event.
    case endOfArchive
  }

  private enum State {
    case block
    case records(byteCount: Int)
    case content(remaining: UInt64, padding: Int)
    case padding(remaining: Int)
    /// After one block of zeros, which is no end if another does not follow.
    case lastBlock
    case ended
  }

  private var assembler = MemberAssembler()
  private var state = State.block
  /// The part of a header block, or of records and their padding, that has come.
  private var pending: [UInt8] = []

  /// A reader at the start of an archive.
  public init() {}

  /// The next event in `chunk`, or nil if it holds no further one: then `position` is the chunk's end.
  ///
  /// - Parameters:
  ///   - chunk: The archive's next bytes.
  ///   - position: Offset in `chunk` of the first byte not yet read; 0 for a new chunk. Moved behind what was read.
  /// - Returns: The event, or nil if more chunks are needed or the archive has ended.
  /// - Throws: A ``TarError``; the reader must then not be used on.
  public mutating func next(in chunk: Span<UInt8>, from position: inout Int) throws(TarError) -> Event? {
    while true {
      switch state {
      case .ended:
        position = chunk.count
        return nil
      case .padding(let remaining):
        let step = min(remaining, chunk.count - position)
        position += step
        state = step == remaining ? .block : .padding(remaining: remaining - step)
        guard step == remaining else { return nil }
      case .content(let remaining, let padding):
        let step = Int(min(remaining, UInt64(chunk.count - position)))
        guard step > 0 else { return nil }
        let range = position..<position + step
        position += step
        let left = remaining - UInt64(step)
        state = left > 0 ? .content(remaining: left, padding: padding) : .padding(remaining: padding)
        return .content(range)
      case .block where pending.isEmpty && chunk.count - position >= TarMember.blockSize:
        let step = try assembler.takeBlock(chunk, at: position)
        position += TarMember.blockSize
        if let event = try advance(after: step) { return event }
      case .block, .lastBlock, .records:
        guard fill(from: chunk, &position) else { return nil }
        if let event = try takePending() { return event }
      }
    }
  }

  /// Checks that the archive may end here.
  ///
  /// - Throws: ``TarError/truncated`` inside a header, its records, or a member's content or padding.
  public func finish() throws(TarError) {
    switch state {
    case .ended: return
    case .block, .lastBlock:
      guard pending.isEmpty, !assembler.isInsideMember else { throw .truncated }
    case .records, .content: throw .truncated
    case .padding(let remaining):
      guard remaining == 0 else { throw .truncated }
    }
  }

  /// Bytes that must come together before they can be read.
  private var wanted: Int {
    guard case .records(let byteCount) = state else { return TarMember.blockSize }
    return byteCount + TarMember.padding(forSize: UInt64(byteCount))
  }

  /// Moves bytes of `chunk` to `pending`; false if `wanted` is not reached.
  private mutating func fill(from chunk: Span<UInt8>, _ position: inout Int) -> Bool {
    let start = position
    position = min(chunk.count, position + wanted - pending.count)
    let end = position
    pending.append(addingCapacity: end - start) { (output: inout OutputSpan<UInt8>) in
      for index in start..<end { output.append(chunk[index]) }
    }
    return pending.count == wanted
  }

  private mutating func takePending() throws(TarError) -> Event? {
    let taken = pending
    pending = []
    if case .records(let byteCount) = state {
      try assembler.takeRecords(taken[..<byteCount])
      state = .block
      return nil
    }
    return try advance(after: try assembler.takeBlock(taken.span, at: 0))
  }

  private mutating func advance(after step: MemberAssembler.Step) throws(TarError) -> Event? {
    if case .zeroBlock = step {
      guard case .lastBlock = state else {
        state = .lastBlock
        return nil
      }
      state = .ended
      return .endOfArchive
    }
    // "at least two 512-byte blocks filled with binary zeros" end an archive; one alone inside it is damage.
    if case .lastBlock = state { throw .malformedHeader }
    switch step {
    case .zeroBlock: return nil
    case .records(let byteCount):
      state = .records(byteCount: byteCount)
      return nil
    case .member(let member):
      let padding = TarMember.padding(forSize: member.size)
      state = member.size > 0 ? .content(remaining: member.size, padding: padding) : .block
      return .member(member)
    }
  }
}
