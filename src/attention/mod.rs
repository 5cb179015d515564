pub mod tamper;
