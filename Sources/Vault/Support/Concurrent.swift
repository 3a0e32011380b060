internal import Dispatch
internal import Synchronization

/// Work on all cores.
enum Concurrent {
  /// What `body` makes of each element, in their order; throws one of the failures if any fails.
  static func map<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ body: @Sendable (Element) throws(VaultError) -> Value
  ) throws(VaultError) -> [Value] {
    // Not worth another thread.
    if elements.count == 1 { return [try body(elements[0])] }
    let results = Mutex<[Result<Value, VaultError>?]>(Array(repeating: nil, count: elements.count))
    DispatchQueue.concurrentPerform(iterations: elements.count) { index in
      let result: Result<Value, VaultError>
      do throws(VaultError) { result = .success(try body(elements[index])) } catch { result = .failure(error) }
      results.withLock { $0[index] = result }
    }
    var values: [Value] = []
    values.reserveCapacity(elements.count)
    for case let result? in results.withLock({ $0 }) { values.append(try result.get()) }
    return values
  }
}
