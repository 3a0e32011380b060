internal import Synchronization

/// A small stock of headers prepared ahead for one recipient, so that writing a file pays for its contents only.
///
/// Any thread may take; some background thread refills.
public final class HeaderPool: Sendable {
  private let recipient: any Recipient
  private let capacity: Int
  private let stock = Mutex<[PreparedHeader.Parts]>([])

  /// An empty pool that holds up to `capacity` headers, at least 1, for `recipient`.
  public init(for recipient: some Recipient, capacity: Int) {
    precondition(capacity > 0, "a pool holds something")
    self.recipient = recipient
    self.capacity = capacity
  }

  /// The number of headers in stock.
  public var count: Int { stock.withLock { $0.count } }

  /// A header out of the stock; one made on the spot if that is empty.
  ///
  /// - Throws: As ``PreparedHeader/init(to:)``.
  public func take() throws(AgeError) -> PreparedHeader {
    if let parts = stock.withLock({ $0.popLast() }) { return PreparedHeader(parts) }
    return try PreparedHeader(to: [recipient])
  }

  /// Fills the stock; the headers are made outside the lock, so nobody who takes waits for it.
  ///
  /// - Throws: As ``PreparedHeader/init(to:)``.
  public func refill() throws(AgeError) {
    while count < capacity {
      let parts = try PreparedHeader.Parts(to: [recipient])
      stock.withLock { stock in
        if stock.count < capacity { stock.append(parts) }
      }
    }
  }
}
