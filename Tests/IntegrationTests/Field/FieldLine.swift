/// Lines of the topics as a person writes them.
enum FieldLine {
    typealias Line = (String, String)

    static func command(_ sku: String, _ type: String, as id: String, _ fields: String = "") -> Line {
        (
            sku,
            #"{"command_id":"\#(id)","type":"\#(type)","sku":"\#(sku)"\#(fields.isEmpty ? "" : ",\(fields)")}"#
        )
    }

    static func receive(_ sku: String, _ quantity: Int64, as id: String, in warehouse: String = "BER") -> Line
    {
        command(sku, "receive", as: id, #""warehouse":"\#(warehouse)","quantity":\#(quantity)"#)
    }

    /// Its reservation has the command's id.
    static func reserve(_ sku: String, _ quantity: Int64, as id: String, _ fields: String = "") -> Line {
        command(
            sku, "reserve", as: id,
            #""reservation_id":"\#(id)","order_id":"\#(id)","quantity":\#(quantity)"#
                + (fields.isEmpty ? "" : ",\(fields)"))
    }

    static func event(_ order: String, _ type: String, as id: String, _ fields: String = "") -> Line {
        (
            order,
            #"{"event_id":"\#(id)","type":"order.\#(type)","order_id":"\#(order)"\#(fields.isEmpty ? "" : ",\(fields)")}"#
        )
    }

    static func lines(_ sku: String, _ quantity: Int64) -> String {
        #""lines":[{"sku":"\#(sku)","quantity":\#(quantity)}]"#
    }
}
