extension RawSpan {
  /// The memory that the span shows, for a call into C; nil base address when empty.
  ///
  /// Usable for as long as the span is: it must not outlive the call that was lent the span.
  package var pointer: UnsafeRawBufferPointer {
    // SAFETY: a span is a pointer and a length whose memory its owner keeps still for the span's whole life.
    @unsafe get { unsafe withUnsafeBytes { unsafe $0 } }
  }
}
