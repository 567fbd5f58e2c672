import InventoryWire
import Testing
